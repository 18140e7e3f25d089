"""Strict fields: what a request may say, to the letter, and how amounts, ids and times are written.

Nothing is converted on the way in. `"5"` is not a number, `true` is not 1, `1e3` is not an integer, and a field that nobody asked for is
an error that names it. Query parameters are text by nature; theirs are `Query…`.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from organizations import ids, moments, wire
from organizations.services import MAX_METADATA_BYTES, MAX_METADATA_KEYS
from organizations.strict import StrictSerializer
from organizations.visible import INEXACT, hides, is_exact, normal

MAX_CREDITS = Decimal(10) ** 13
MAX_INTEGER = 2**63 - 1
SMALLEST_CREDIT = Decimal("0.000001")
_VALIDATORS_OF_TEXT = 3
"""Of text with a greatest length: that, no NUL, no half of a pair."""
HIDDEN = "Control and invisible characters are not allowed."

_DIGITS = re.compile(r"[0-9]{1,19}")


def _reads_as(field: serializers.Field, kind: type[serializers.Field]) -> bool:
    """Whether a field has no rules of its own, besides those of this kind."""
    return type(field).to_internal_value is kind.to_internal_value


class StrictChar(serializers.CharField):
    """Text that is text. Control and invisible characters, which make a name look like another,
    are refused; `multiline` lets line breaks and tabs pass."""

    default_error_messages = {"hidden": HIDDEN}

    def __init__(self, *, multiline: bool = False, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.multiline = multiline
        self.has_no_rules = _reads_as(self, StrictChar) and self.min_length is None

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if type(data) is str and self._is_plain(data):
            return data
        if isinstance(data, str) and data and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)

    def _is_plain(self, data: str) -> bool:
        """Whether no rule of any text can refuse this one: printable ASCII, and not too long. Only its length is asked of such a text."""
        longest = self.max_length
        return (
            self.has_no_rules
            and longest is not None
            and len(data) <= longest
            and len(self.validators) == _VALIDATORS_OF_TEXT
            and data.isascii()
            and data.isprintable()
            and bool(data.strip())
        )

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if hides(data, multiline=self.multiline):
            self.fail("hidden")
        return data


class NameField(StrictChar):
    """A name that people match by: a group's key, an id of the product's own. It has one spelling, so that what looks alike is alike.

    Another is refused, and never rewritten: who sent it would not find it. What only looks a name up takes any text."""

    default_error_messages = {"inexact": INEXACT}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 128} | options)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not is_exact(name):
            self.fail("inexact")
        return name


class StrictEmail(StrictChar, serializers.EmailField):
    """An e-mail address, read as it is kept: the same person's is the same text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        address = super().run_validation(data)
        return address and normal(address)


class StrictList(serializers.ListField):
    """A list of at most `max_length` things, counted before any of them is looked at."""

    default_error_messages = {"many": "At most {max_length} entries are allowed."}

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)
        self.longest = max_length

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and len(data) > self.longest:
            self.fail("many", max_length=self.longest)
        return super().to_internal_value(data)


class StrictChoice(serializers.ChoiceField):
    """One of a few words."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        is_one = type(data) is str and data in self.choice_strings_to_values
        if is_one and not self.validators and _reads_as(self, StrictChoice):
            return self.choice_strings_to_values[data]
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class StrictBoolean(serializers.BooleanField):
    """`true` or `false`; not `"yes"`, not 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictInteger(serializers.IntegerField):
    """A whole number, written as one, between 0 and 2⁶³ − 1 unless said otherwise."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MAX_INTEGER} | options)
        own = (self.min_value, self.max_value) if _reads_as(self, StrictInteger) else (None, None)
        self.bounds: tuple[int | None, int | None] = own

    def run_validation(self, data: Any = serializers.empty) -> Any:
        least, most = self.bounds
        if (
            type(data) is int
            and least is not None
            and most is not None
            and least <= data <= most
            and len(self.validators) == len(self.bounds)
        ):
            return data  # nothing else is asked of it
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class WholeCreditsField(StrictInteger):
    """Credits where the contract says integer: a whole `Decimal`, from `min_value` (0) to 10¹³."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_value": int(MAX_CREDITS)} | options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)
        return Decimal(value) if type(value) is int else value

    def to_representation(self, value: Any) -> Any:
        return wire.plain(value)


class CreditsField(serializers.DecimalField):
    """Credits: a JSON number with at most six places, never rounded, from `min_value` (0) to 10¹³.

    Written as an integer when whole. `positive=True` refuses 0 too."""

    default_error_messages = {
        "places": "At most six decimal places are allowed.",
        "positive": "More than 0 is required.",
    }

    def __init__(self, *, positive: bool = False, **options: Any) -> None:
        bounds = {"min_value": Decimal(0), "max_value": MAX_CREDITS}
        super().__init__(20, 6, coerce_to_string=False, **bounds | options)
        self.positive = positive

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Null is null. The base class also takes `""` for it, and null is no limit."""
        return serializers.Field.validate_empty_values(self, data)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("invalid")
        value = Decimal(data)
        if not value.is_finite():
            self.fail("invalid")
        if abs(value) <= MAX_CREDITS and value != value.quantize(SMALLEST_CREDIT):
            self.fail("places")
        if self.positive and value <= 0:
            self.fail("positive")
        return value

    def to_representation(self, value: Any) -> Any:
        return wire.plain(value)


class IdField(serializers.CharField):
    """A public id: read with or without its prefix, given as a `UUID`, written with it."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self.prefix = prefix

    def run_validation(self, data: Any = serializers.empty) -> Any:
        is_empty, value = self.validate_empty_values(data)
        return value if is_empty else self.to_internal_value(value)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return ids.read(self.prefix, data)
        except ids.MalformedId as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> str:
        return ids.write(self.prefix, value)


class NamesActor(StrictSerializer):
    """What may name an actor, by its id here or by the product's own."""

    actorId = IdField("act", source="actor_id", required=False)
    actorExternalId = StrictChar(
        max_length=128,
        source="actor_external_id",
        required=False,
        help_text="The actor by its `externalId`, in place of `actorId`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "actor_id" in attrs and "actor_external_id" in attrs:
            raise serializers.ValidationError({"actorExternalId": ["Either this, or actorId."]})
        return attrs


class MetadataField(serializers.DictField):
    """A caller's own notes: text to text, at most 50 keys of 40 and values of 500 characters, 16 kB."""

    default_error_messages = {
        "text": "Values are text of at most 500 characters.",
        "keys": "At most 50 keys of 1 to 40 characters are allowed.",
        "size": "At most 16 kB are allowed.",
        "hidden": HIDDEN,
    }

    child = serializers.CharField(allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if len(data) > MAX_METADATA_KEYS or not all(1 <= len(key) <= 40 for key in data):
            self.fail("keys")
        if not all(isinstance(value, str) and len(value) <= 500 for value in data.values()):
            self.fail("text")
        if len(wire.dumps(data)) > MAX_METADATA_BYTES:
            self.fail("size")
        hidden = any(hides(key) or hides(data[key], multiline=True) for key in data)
        if hidden:
            self.fail("hidden")
        return data


class OffsetDateTimeField(serializers.DateTimeField):
    """A moment of RFC 3339, with any offset: without one nobody knows which moment it is."""

    default_error_messages = {
        "offset": "A time with an offset is expected, like 2026-04-01T00:00:00Z; in a query a + is written %2B."
    }

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return moments.read(value)
        except moments.NoMoment:
            self.fail("offset")


class ZuluDateTimeField(serializers.DateTimeField):
    """A moment, `2026-04-01T00:00:00Z`: with Z only, where a contract says so."""

    default_error_messages = {"zulu": "A time like 2026-04-01T00:00:00.000Z is expected."}

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return moments.read(value, form=moments.ZULU)
        except moments.NoMoment:
            self.fail("zulu")


class WalletTime(serializers.DateTimeField):
    """A moment as it is written: `2026-04-01T00:00:00.000Z`."""

    def to_representation(self, value: datetime) -> str:
        return moments.write(value)


class OrganizationTime(serializers.DateTimeField):
    """Written as Layers' organizations write it: `2026-06-01T14:30:00.000000+00:00`."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(timespec="microseconds")


class TextOrNull(serializers.CharField):
    """Text that is kept empty where nobody gave it, and written as null."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def to_representation(self, value: str) -> Any:
        return value or None


class AlwaysNull(serializers.CharField):
    """A field that a contract has and nothing here fills."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def get_attribute(self, instance: Any) -> None:
        return None


class QueryInteger(StrictInteger):
    """A whole number in a query: ASCII digits, no sign, no spaces."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _DIGITS.fullmatch(data):
            self.fail("invalid")
        return int(data)


class QueryBoolean(StrictBoolean):
    """`true` or `false` in a query."""

    def to_internal_value(self, data: Any) -> bool:
        return super().to_internal_value({"true": True, "false": False}.get(data, data))
