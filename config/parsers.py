"""The one way a body is read: strict JSON, of a size that was agreed on.

Python's own parser takes what JSON does not have (NaN, a key said twice, half a surrogate pair), and what a database cannot store.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.parsers import BaseParser

MAX_BYTES = 64 * 1024
MAX_CONTAINERS = 20_000
"""Objects and lists in one body: the largest batch of events has a thousand."""
MAX_NAMES = 50_000
"""Names of fields in one body: an event has some twenty, and its provider's answer some thirty."""
MAX_DEPTH = 32
MAX_DIGITS = 40
"""Of one number, point and exponent included: more than any amount needs."""

_NAME_ENDS = re.compile(rb'"\s*:')
_ESCAPE = b"\\u"
"""Without one of these there is no hostile text: UTF-8 has no halves of pairs, and JSON no control characters as they are."""
_HOSTILE = re.compile("[\0\ud800-\udfff]")
_MARK = "\ufeff"
_FIRST_LIST = re.compile(rb'\s*\{\s*"([A-Za-z]{1,40})"\s*:\s*\[')


class MalformedJson(Exception):
    """The body is not JSON in UTF-8."""


class BodyTooLarge(Exception):
    """The body is larger than the view takes."""


class StrictJSONParser(BaseParser):
    """An object of JSON, in UTF-8, of at most the view's `max_body_bytes`. Numbers with a point or an
    exponent become `Decimal`."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        if media_type != self.media_type:
            _, parameters = parse_header_parameters(media_type or "")
            if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
                raise UnsupportedMediaType(media_type or "")
        context = parser_context or {}
        limit = getattr(context.get("view"), "max_body_bytes", MAX_BYTES)
        if _announced(context) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes")
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes")
        return loads(data)


def _announced(context: Mapping[str, Any]) -> int:
    """Return how long a body says that it is; 0 for a chunked one, which does not say."""
    head = context["request"].META if "request" in context else {}
    return 0 if "HTTP_TRANSFER_ENCODING" in head else int(head.get("CONTENT_LENGTH") or 0)


def loads(data: bytes) -> dict[str, Any]:
    """Return the object that `data` spells.

    :raises MalformedJson: if it is not strict JSON
    :raises ValidationError: if it is not an object, has too many objects or names, or holds what no field can:
        NUL, a lone surrogate
    """
    _refuse_too_many(data)
    try:
        value = _decode(data.decode("utf-8"))
    except RecursionError as error:
        raise MalformedJson(f"JSON nested deeper than {MAX_DEPTH}") from error
    except UnicodeDecodeError as error:
        raise MalformedJson("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(f"not JSON: {error.msg} at character {error.pos}") from error
    if not isinstance(value, dict):
        raise ValidationError("A JSON object is required in the body.")
    _refuse_deep(value, depth=1)
    if _ESCAPE in data:
        _refuse_hostile(value)
    return value


def _decode(text: str) -> Any:
    if text.startswith(_MARK):
        raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
    return _DECODER.decode(text)


def _refuse_too_many(data: bytes) -> None:
    """Count before anything is built: an object costs a hundred times its two bytes, and so does the error about a name. What looks
    like either within texts counts too, and leaves room all the same."""
    if b"[" * (MAX_DEPTH + 1) in data:
        raise MalformedJson(f"JSON nested deeper than {MAX_DEPTH}")
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS:
        raise _too_many(data, MAX_CONTAINERS, "objects and lists")
    if data.count(b":") > MAX_NAMES and sum(1 for _ in _NAME_ENDS.finditer(data)) > MAX_NAMES:
        raise _too_many(data, MAX_NAMES, "names of fields")


def _too_many(data: bytes, most: int, what: str) -> ValidationError:
    begins = _FIRST_LIST.match(data)
    field = begins[1].decode() if begins else "body"
    return ValidationError({field: [f"At most {most} {what} are allowed in a body."]})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("a key is given twice")
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise MalformedJson("a number has too many digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise MalformedJson("a number has too many digits")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise MalformedJson("a number is out of range") from error
    if abs(value.adjusted()) > 300:
        raise MalformedJson("a number is out of range")
    return value


def _constant(text: str) -> None:
    raise MalformedJson(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
)
"""Made once: making it takes longer than reading most bodies."""


def _refuse_deep(value: dict[str, Any] | list[Any], *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise MalformedJson(f"JSON nested deeper than {MAX_DEPTH}")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            _refuse_deep(child, depth=depth + 1)


def _refuse_hostile(value: Any) -> None:
    if isinstance(value, str):
        if _HOSTILE.search(value):
            raise ValidationError("NUL and lone surrogates are not text.")
    elif isinstance(value, dict | list):
        children = [*value, *value.values()] if isinstance(value, dict) else value
        for child in children:
            _refuse_hostile(child)
