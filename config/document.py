"""What the document of the API says of every door besides its success: how it fails, by its contract; its headers; and how strict shapes are.

A door says what it answers when all is well, and what it tells of a 402. The rest is the same for all of a contract: which errors there
are and in which envelope stands in `config.exceptions`, and here is what those look like.
"""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from drf_spectacular.utils import OpenApiResponse, inline_serializer
from rest_framework import serializers

from config.exceptions import ALWAYS_LAYERS, ERRORS
from organizations import moments
from organizations.doors import PRESENT_STATUS, REPLAYED, ApiView, Operation
from organizations.fields import CreditsField, ZuluDateTimeField
from organizations.strict import StrictSerializer

ANY = (400, 401, 403, 404, 422, 429, 500, 503)
"""What every door may answer: each reads a head, a key, a rate, a scope and a query, and asks the database."""
SENDING = (408, 409, 413, 415)
"""What doors may answer besides that read a body or change something."""
DENIED = 402

OF_EVERY_ANSWER = {"x-request-id": "The id of the request, by which it is found in our log."}
OF_A_RATE = {
    "X-RateLimit-Endpoint-Class": "The class of doors that the request is counted with.",
    "X-RateLimit-Limit": "How many requests of the class may come in its window.",
    "X-RateLimit-Remaining": "How many more may come.",
    "X-RateLimit-Reset": "When the window ends, in seconds since 1970.",
}
"""Said with every answer, and written down where somebody looks for them."""
RETRY_AFTER = {
    "Retry-After": "In how many seconds it is worth to ask again; missing where somebody has to do something first."
}
CHALLENGE = {"WWW-Authenticate": "How to say who asks: `Bearer`, with an API key."}
OF_A_REPEAT = {
    REPLAYED: "`true` where this was done before for the same Idempotency-Key, and nothing was done now."
}
OF_A_HOLD = {
    PRESENT_STATUS: "With Idempotency-Replayed: the status by now of what the answer, the first one, speaks of."
}
HEADERS = OF_EVERY_ANSWER | OF_A_RATE | RETRY_AFTER | CHALLENGE | OF_A_REPEAT | OF_A_HOLD
NUMBERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")


class OmniRefusal(serializers.Serializer):
    """What was wrong with the request; `detail` begins with the reason phrase."""

    detail = serializers.CharField()
    status = serializers.IntegerField()


class OmniFailure(serializers.Serializer):
    """That the request was not tried, by the code of the response."""

    error = serializers.CharField()
    message = serializers.CharField()


class I5Error(serializers.Serializer):
    statusCode = serializers.IntegerField()
    error = serializers.CharField()
    message = serializers.CharField()
    code = serializers.CharField()


class InvalidDetails(serializers.Serializer):
    """What was wrong with which field, or in conflict: sentences by its path, `events.0.credits`. Of very many only some, and how many were left out."""

    omitted = serializers.IntegerField(required=False)
    code = serializers.CharField(required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `fields`, which as an attribute would hide the serializer's own."""
        sentences = serializers.ListField(child=serializers.CharField())
        return {
            "fields": serializers.DictField(child=sentences, required=False)
        } | super().get_fields()


class Door(AutoSchema):
    """Describes a method of an `ApiView`."""

    @property
    def door(self) -> ApiView:
        return cast(ApiView, self.view)

    @property
    def declared(self) -> Operation:
        declared = self.door.operation_for(self.method)
        assert declared is not None
        return declared

    def _get_request_body(self, direction: Any = "request") -> dict[str, Any] | None:
        body: dict[str, Any] | None = cast(Any, super())._get_request_body(direction)
        is_needed = self.declared.body.body_required
        return {**body, "required": True} if body and is_needed else body

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        answers = dict(super()._get_response_bodies(direction))
        for status, error in _errors(self.door.envelope, self.declared, self.method):
            said = OpenApiResponse(error, description=_described(status))
            answers[str(status)] = cast(Any, self)._get_response_for_code(said, str(status))
        return answers

    def _get_response_headers_for_code(
        self, status_code: str, direction: Any = "response"
    ) -> dict[str, Any]:
        names = _headers(int(status_code), self.declared, type(self.door))
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


class Shapes(OpenApiSerializerExtension):
    """What a body may say is all that it may say; and a field of an answer that has a default is always there."""

    target_class = "rest_framework.serializers.Serializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        shape = force_instance(self.target)
        schema = dict(auto_schema._map_serializer(shape, direction, bypass_extensions=True))
        if isinstance(shape, StrictSerializer):
            return _strict(schema, shape)
        defaults = {name for name, f in shape.fields.items() if f.default is not serializers.empty}
        required = sorted(defaults | set(schema.get("required", ())))
        return schema | ({"required": required} if required else {})


class Credits(OpenApiSerializerFieldExtension):
    """Credits are a number with the bounds of their field, not of their column."""

    target_class = CreditsField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        field = self.target
        least = "exclusiveMinimum" if field.positive else "minimum"
        bounds = {least: field.min_value, "maximum": field.max_value}
        said = {name: int(bound) for name, bound in bounds.items() if bound is not None}
        return {"type": "number", "format": "double", **said}


class Zulu(OpenApiSerializerFieldExtension):
    """A moment with Z only is text with a pattern: clients that are made of the document write what is `date-time` with an offset."""

    target_class = ZuluDateTimeField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{moments.ZULU.pattern}$"}


def add_headers(result: dict[str, Any], **how: Any) -> dict[str, Any]:
    """Describe each header once, for all answers that refer to it."""
    result["components"]["headers"] = {
        name: {
            "description": description,
            "schema": {"type": "integer" if name in NUMBERS else "string"},
        }
        for name, description in HEADERS.items()
    }
    return result


def _errors(contract: str, declared: Operation, method: str) -> Iterator[tuple[int, Any]]:
    """Yield each status by which a door may refuse, with what it says then."""
    statuses = {*ANY, *(SENDING if method != "GET" else ())} | (
        {DENIED} if declared.denial else set()
    )
    if contract != "layers":
        statuses.discard(422)  # these contracts say 400
    for status in sorted(statuses):
        if contract == "layers" or status in ALWAYS_LAYERS:
            yield status, _layers(status, declared.denial)
        elif contract == "i5":
            yield status, I5Error
        else:
            yield status, OmniFailure if status >= 429 else OmniRefusal


def _layers(status: int, denial: type[serializers.Serializer] | None) -> serializers.Serializer:
    """Return the envelope of Layers, with the details of a status."""
    if status in (409, 422):
        return _enveloped("InvalidError" if status == 422 else "ConflictError", InvalidDetails)
    if denial is not None and status in (DENIED, 429):
        # A rate says nothing more, and too many holds say when one of them ends.
        always, name = status == DENIED, denial.__name__.removesuffix("Shape")
        return _enveloped(f"{name}Error" if always else f"{name}OrRateError", denial, always)
    return _enveloped("Error", None)


@cache
def _enveloped(
    name: str, details: type[serializers.Serializer] | None, always: bool = False
) -> serializers.Serializer:
    """Return an error with its details, which may be `always` there."""
    fields: dict[str, serializers.Field] = {
        field: serializers.CharField() for field in ("code", "message", "requestId")
    }
    if details is not None:
        fields["details"] = details(required=always)
    return inline_serializer(name, {"error": inline_serializer(f"{name}Body", fields)})


def _described(status: int) -> str:
    """Name a status and the codes that come with it."""
    codes = sorted({code for known, code in ERRORS.values() if known == status})
    return (
        f"{HTTPStatus(status).phrase}: {', '.join(codes)}" if codes else HTTPStatus(status).phrase
    )


def _headers(status: int, declared: Operation, view: type[ApiView]) -> list[str]:
    """Name the headers of an answer."""
    succeeds = status < 300
    repeats = succeeds and declared.idempotency != "ignored"
    tells_of_a_hold = repeats and view.present_status is not ApiView.present_status
    return [
        *OF_EVERY_ANSWER,
        *(OF_A_RATE if succeeds or status == 429 else ()),
        *(RETRY_AFTER if status in (429, 503) else ()),
        *(CHALLENGE if status == 401 else ()),
        *(OF_A_REPEAT if repeats else ()),
        *(OF_A_HOLD if tells_of_a_hold else ()),
    ]


def _strict(schema: dict[str, Any], body: StrictSerializer) -> dict[str, Any]:
    """Return the schema of a body: nothing but its fields, and of some at least one."""
    if body.partial:
        schema.pop("required", None)
    least = {"minProperties": 1} if body.at_least_one else {}
    return schema | {"additionalProperties": False} | least
