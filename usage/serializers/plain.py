"""Reading a thousand things of one shape: what is plainly right in one pass, and only the rest field by field.

A serializer asks every field whether it is there, empty, null and valid, which takes 50 µs for one piece of work. Here only the fields that
are there are read, by a function that was made of what each declares. What it does not plainly admit it leaves to the serializer, which
accepts it or says what is wrong in its own words: so nothing is accepted that the serializer would refuse, and no error is told twice.
"""

import functools
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

from rest_framework import serializers

from organizations.fields import (
    SMALLEST_CREDIT,
    CreditsField,
    NameField,
    StrictChar,
    StrictChoice,
    StrictInteger,
)
from organizations.strict import StrictSerializer
from usage.serializers.telling import TokensField

Read = Callable[[Any], Any]

_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
"""Letters, digits and signs that nobody mistakes, and spaces between them."""
_PLACES = cast(int, SMALLEST_CREDIT.as_tuple().exponent)


class NotPlain(Exception):
    """A value is to be looked at more closely; it may be right."""


class PlainFirst(StrictSerializer):
    """A strict serializer that is asked a thousand times."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        plain = self._read(data)
        return super().run_validation(data) if plain is None else plain

    def _read(self, data: Any) -> dict[str, Any] | None:
        """Return what a thing says, if it is plainly right."""
        if type(data) is not dict:
            return None
        readers, defaults, required = _readers(type(self))
        attrs = dict(defaults)
        try:
            for name, value in data.items():
                source, read = readers[name]
                attrs[source] = read(value)
            if not required <= attrs.keys():
                return None
            return cast(dict[str, Any], self.validate(attrs))
        except (KeyError, NotPlain, serializers.ValidationError):
            return None


@functools.cache
def _readers(
    shape: type[PlainFirst],
) -> tuple[Mapping[str, tuple[str, Read]], Mapping[str, Any], frozenset[str]]:
    """Return of a shape how each of its fields is read and under which name it is given, the defaults, and what must be there."""
    fields = shape().fields
    readers = {name: (str(field.source), _reader(field)) for name, field in fields.items()}
    defaults = {
        str(field.source): field.get_default()
        for field in fields.values()
        if field.default is not serializers.empty
    }
    required = frozenset(str(field.source) for field in fields.values() if field.required)
    return readers, defaults, required


def _reader(field: Any) -> Read:
    """Return a function that reads a plain value as the field would. Of a kind that is not known here it is the field's own: a subclass may
    have rules that its base has not."""
    kind = type(field)
    if kind in (StrictChar, NameField):
        return functools.partial(_text, field.max_length)
    if kind in (StrictInteger, TokensField):
        return functools.partial(_integer, range(field.min_value or 0, (field.max_value or 0) + 1))
    if kind is StrictChoice:
        return functools.partial(_choice, frozenset(field.choices))
    if kind is CreditsField and not field.positive:
        bounds = (Decimal(bound) for bound in (field.min_value or 0, field.max_value or 0))
        return functools.partial(_credits, *bounds)
    return cast(Read, field.run_validation)


def _text(longest: int | None, value: Any) -> str:
    if type(value) is not str or not _PLAIN.fullmatch(value):
        raise NotPlain
    if longest is not None and len(value) > longest:
        raise NotPlain
    return value


def _integer(allowed: range, value: Any) -> int:
    if type(value) is not int or value not in allowed:
        raise NotPlain
    return value


def _choice(choices: frozenset[str], value: Any) -> str:
    if type(value) is not str or value not in choices:
        raise NotPlain
    return value


def _credits(least: Decimal, most: Decimal, value: Any) -> Decimal:
    if type(value) is int and least <= value <= most:
        return Decimal(value)
    if type(value) is not Decimal or not least <= value <= most:
        raise NotPlain
    if cast(int, value.as_tuple().exponent) < _PLACES:
        raise NotPlain
    return value
