"""What a door says of itself in one place: who may open it, what it reads, what it answers. The OpenAPI document is written by it too."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from organizations import ids
from organizations.permissions import ACTING
from organizations.strict import StrictQuery, StrictSerializer

Handler = Callable[..., HttpResponseBase]
Idempotency = Literal["optional", "required", "ignored"]

KEY = "Idempotency-Key"


@dataclass(frozen=True)
class Operation:
    """What `@operation` says of a door."""

    scopes: tuple[str, ...]
    body: type[StrictSerializer]
    query: type[StrictQuery]
    idempotency: Idempotency
    rate: str
    spends: bool
    while_suspended: bool
    personal: bool
    reads_first: bool
    denial: type[serializers.Serializer] | None


def operation(
    *scopes: str,
    answer: Any,
    status: int = 200,
    body: type[StrictSerializer] = StrictSerializer,
    query: type[StrictQuery] = StrictQuery,
    idempotency: Idempotency = "optional",
    rate: str | None = None,
    spends: bool = False,
    while_suspended: bool = False,
    personal: bool = False,
    reads_first: bool = False,
    denial: type[serializers.Serializer] | None = None,
) -> Callable[[Handler], Handler]:
    """Open a method of an `ApiView` to keys with any one of `scopes` (or `permissions.ANY_KEY`).

    :param answer: the serializer of a success with `status`, for the OpenAPI document
    :param body: what `once` and `self.body()` read; the default takes no fields and no body
    :param idempotency: of POST and PATCH; other methods ignore the header
    :param rate: the rate-limit class; by default `read-light` for GET, `write-light` for the rest
    :param spends: refuse unless the acting organization is active
    :param while_suspended: let keys of a suspended organization in too: work that runs may end
    :param personal: whether a personal key may come in too; then the door minds whose things it touches
    :param reads_first: whether the first statement of the door goes through `self.read`, which then looks at the key as well
    :param denial: the serializer of the details of a 402, of a door that refuses what nobody can pay
    """

    def decorate(handler: Handler) -> Handler:
        method = handler.__name__
        writes = method in ("post", "patch")

        @functools.wraps(handler)
        def door(view: Any, request: Request, **path: str) -> HttpResponseBase:
            return handler(view, request, **_read_ids(path))

        declared = Operation(
            scopes=scopes,
            body=body,
            query=query,
            idempotency=idempotency if writes else "ignored",
            rate=rate or ("read-light" if method == "get" else "write-light"),
            spends=spends,
            while_suspended=while_suspended,
            personal=personal,
            reads_first=reads_first,
            denial=denial,
        )
        vars(door)["operation"] = declared
        has_body = body is not StrictSerializer
        view = handler.__qualname__.partition(".")[0]
        document = extend_schema(
            operation_id=f"{method}{view}",
            request=body if has_body else None,
            responses={status: answer},
            parameters=_parameters(declared),
        )
        return cast(Handler, document(door))

    return decorate


def _parameters(declared: Operation) -> list[Any]:
    """Return the headers and the query of an operation, for the OpenAPI document."""
    parameters: list[Any] = [OpenApiParameter(ACTING, str, "header")]
    if declared.idempotency != "ignored":
        required = declared.idempotency == "required"
        parameters.append(OpenApiParameter(KEY, str, "header", required=required))
    if declared.query is not StrictQuery:
        parameters.append(declared.query)
    return parameters


def _read_ids(path: dict[str, str]) -> dict[str, UUID | str]:
    return {name: _read_id(name, text) for name, text in path.items()}


def _read_id(name: str, text: str) -> UUID | str:
    prefix = name.removesuffix("_id")
    if prefix == name or prefix not in ids.PREFIXES:
        return text
    try:
        return ids.read(prefix, text)
    except ids.MalformedId as error:
        raise serializers.ValidationError({name: [str(error)]}) from error
