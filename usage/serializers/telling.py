"""How the API hears of what there may be of work, and of what there was: in tokens, by unit, or as a provider says it."""

import re
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from organizations.fields import CreditsField, StrictInteger
from organizations.strict import StrictSerializer
from usage import responses
from usage.counts import BY_NAME, NAMES, exactly, missing_whole
from usage.pricing import STANDARD, Count, Counts, Tokens
from usage.units import FRACTIONAL, TOKENS

TOKEN_CLASSES = tuple(field.name for field in fields(Tokens))
MAX_TOKENS = responses.MOST
ONE_WAY = "Exactly one of credits, token counts, usage and response is expected."
LONGEST_VARIANT = 80
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,40}")


class TokensField(StrictInteger):
    """A number of tokens: a whole one, up to a thousand million."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_value": MAX_TOKENS} | options)


COUNTS: Mapping[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "number", "minimum": 0, "maximum": MAX_TOKENS},
}


ALL_COUNTS = (
    "Counts by unit: `inputTokens` is all that went in, cached and written included, and contains `cacheReadTokens`, "
    "`cacheWriteTokens`, `inputAudioTokens`; `outputTokens` contains `outputReasoningTokens`; `webSearches`, `audioSeconds`, … "
    "Seconds may have up to six decimal places, all else is whole."
)


class UnitsField(serializers.Field):
    """Counts by unit: of what somebody else does not count."""

    default_error_messages = {
        "object": 'Counts by unit are expected, like {{"webSearches": 1}}.',
        "unit": "There is no unit {name}.",
        "count": "{name} is a whole number from 0 to {most}.",
        "measure": "{name} is a number from 0 to {most}, with up to six decimal places.",
    }

    def to_internal_value(self, data: Any) -> Counts:
        if type(data) is not dict or not data:
            self.fail("object")
        return {self._unit(name): self._count(name, count) for name, count in data.items()}

    def _unit(self, name: str) -> str:
        unit = BY_NAME.get(name)
        if unit is None:
            self.fail("unit", name=ascii(name[:40]))
        return unit

    def _count(self, name: str, count: Any) -> Count:
        if type(count) is int and 0 <= count <= MAX_TOKENS:
            return count
        if self._unit(name) not in FRACTIONAL:
            self.fail("count", name=name, most=MAX_TOKENS)
        if type(count) is not Decimal or not 0 <= count <= MAX_TOKENS or count != round(count, 6):
            self.fail("measure", name=name, most=MAX_TOKENS)
        return exactly(count)

    def to_representation(self, value: Counts) -> dict[str, Count]:
        return {NAMES[unit]: exactly(count) for unit, count in value.items()}


@extend_schema_field({**COUNTS, "description": ALL_COUNTS})
class UsageField(UnitsField):
    """Counts by unit of all that there was: of tokens that are a part of others also the largest count that contains them."""

    default_error_messages = {
        "object": 'Counts by unit are expected, like {{"inputTokens": 1}}.',
        "whole": "{name} needs {whole} beside it, of which it is a part.",
    }

    def to_internal_value(self, data: Any) -> Counts:
        counts = super().to_internal_value(data)
        missing = missing_whole(counts)
        if missing is not None:
            self.fail("whole", name=NAMES[missing[0]], whole=NAMES[missing[1]])
        return counts


@extend_schema_field(
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "number", "minimum": 0},
        "description": ALL_COUNTS,
    }
)
class UsedField(UsageField):
    """Counts by unit as they were added up: of a provider that tells parts beside each other, more than one count may be."""


@extend_schema_field(
    {
        **COUNTS,
        "description": "Counts by unit of what is no token: `webSearches`, `audioSeconds`, … Seconds may have up to six decimal places, "
        "all else is whole.",
    }
)
class MaxUnitsField(UnitsField):
    """Of what is no token: how much of each unit there may be."""

    default_error_messages = {
        "tokens": "{name}: tokens are asked for by inputTokens and maxOutputTokens."
    }

    def _unit(self, name: str) -> str:
        unit = super()._unit(name)
        if unit in TOKENS:
            self.fail("tokens", name=name)
        return unit


BESIDE = ("provider", "flavor", "units")
"""What is said of a provider's answer beside it, and is no part of it."""


class Answered(dict[str, Count]):
    """Counts that a provider's answer says."""


@extend_schema_field(
    {
        "type": "object",
        "required": ["provider"],
        "properties": {
            "provider": {"type": "string", "examples": ["anthropic", "openai", "google"]},
            "flavor": {
                "type": "string",
                "description": "Which of the provider's APIs answered: `default`, `chat`, `responses`, … Needed where it has several and "
                "none of them is `default`.",
            },
            "usage": {
                "type": "object",
                "additionalProperties": True,
                "description": "What the provider says of what was used, as it says it; or its whole answer.",
            },
            "units": {
                **COUNTS,
                "description": "What was used besides, and the provider's own counts do not say: counts by the names of `usage`, like "
                "`webSearches` of `openai` and `google`.",
            },
        },
        "additionalProperties": True,
        "description": "What the provider said itself: its id in the public price list, and its `usage` object to the letter. Or its "
        "whole answer with `provider`, `flavor` and `units` beside it.",
    }
)
class ResponseField(serializers.Field):
    """What a provider answered, read as counts by unit."""

    default_error_messages = {
        "object": 'A provider\'s answer is expected, like {{"provider": "anthropic", "usage": {{…}}}}.',
        "text": "{name}: text of at most 40 characters is expected.",
        "unreadable": "{name}: {sentence}",
    }

    def to_internal_value(self, data: Any) -> Counts:
        if type(data) is not dict:
            self.fail("object")
        for name in ("provider", "flavor"):
            text = data.get(name)
            is_left_out = name == "flavor" and name not in data
            if not is_left_out and not (isinstance(text, str) and 0 < len(text) <= 40):
                self.fail("text", name=name)
        units = self._units(data["units"]) if "units" in data else responses.NOTHING
        answer = {name: value for name, value in data.items() if name not in BESIDE}
        try:
            said = responses.counts_of(data["provider"], data.get("flavor"), answer, units)
        except responses.Unreadable as error:
            self.fail("unreadable", name=error.field, sentence=str(error))
        return Answered(said)

    def _units(self, data: Any) -> Counts:
        try:
            return UnitsField().to_internal_value(data)
        except serializers.ValidationError as error:
            (sentence,) = serializers.as_serializer_error(error)["non_field_errors"]
            self.fail("unreadable", name="units", sentence=sentence)


@extend_schema_field(
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "string"},
        "examples": [{"service_tier": "flex"}, {"processing": "batch"}],
    }
)
class VariantField(serializers.Field):
    """A way of being served that has prices of its own, as the price list names it: `service_tier=flex`. Empty is the standard way."""

    default_error_messages = {
        "object": 'One way of being served is expected, like {{"service_tier": "flex"}}.',
        "one": "One of {names} is expected: no price is of several.",
    }

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not dict or not data:
            self.fail("object")
        for name, value in data.items():
            if not (_NAME.fullmatch(name) and isinstance(value, str) and _NAME.fullmatch(value)):
                self.fail("object")
        special = [f"{name}={value}" for name, value in data.items() if value not in STANDARD]
        if len(special) > 1:
            self.fail("one", names=" and ".join(special))
        if special:
            return special[0][:LONGEST_VARIANT]
        name, value = next(iter(data.items()))
        return f"{name}={value}"[:LONGEST_VARIANT]

    def to_representation(self, value: str) -> dict[str, str]:
        name, _, said = value.partition("=")
        return {name: said}


class VariantOrNull(VariantField):
    """How work was served, where that has prices of its own."""

    def to_representation(self, value: str) -> dict[str, str] | None:  # type: ignore[override]
        return super().to_representation(value) if value else None


class WorkDone(StrictSerializer):
    """What work that is done cost, told in one of four ways, and how it was served."""

    credits = CreditsField(required=False)
    inputTokens = TokensField(source="input", required=False)
    cachedInputTokens = TokensField(source="cached_input", required=False)
    cacheWriteTokens = TokensField(source="cache_write", required=False)
    outputTokens = TokensField(source="output", required=False)
    reasoningTokens = TokensField(source="reasoning", required=False)
    usage = UsageField(required=False)
    response = ResponseField(required=False)
    variant = VariantField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        counts = {name: attrs.pop(name) for name in TOKEN_CLASSES if name in attrs}
        _require_one_way(attrs, counts)
        if counts:
            attrs["tokens"] = Tokens(**counts)
        valid: dict[str, Any] = super().validate(attrs)
        return valid


def _require_one_way(attrs: dict[str, Any], counts: Mapping[str, int]) -> None:
    """Refuse work that does not say once what it cost: in credits, tokens, counts by unit, or as its provider does. From here on what
    the provider says is counts by unit."""
    said = [name for name in ("credits", "usage", "response") if name in attrs]
    if len(said) + bool(counts) != 1:
        which = [*said, *([f"{next(iter(counts))}Tokens"] if counts else [])] or ["credits"]
        raise serializers.ValidationError(dict.fromkeys(which, ONE_WAY))
    if "response" in attrs:
        attrs["usage"] = attrs.pop("response")
