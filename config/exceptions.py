"""How a domain error becomes an HTTP response. The only place that knows both.

An error that is not in `ERRORS` is a bug: 500, logged, and not a word of it told. An exception may carry `details`, a mapping that is
shown to the client beside the code.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice
from math import ceil
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response

from config.bodies import BodyIncomplete, BodyTooLong, BodyTooSlow, TooManyBodies
from config.parsers import BodyTooLarge, MalformedJson
from credits import services as credits
from credits.ledger import InsufficientCredits
from organizations import (
    authentication,
    external_ids,
    gates,
    idempotency,
    permissions,
    services,
    wire,
)
from usage import services as usage
from usage.pricing import ImpossibleTokens, Unpriced
from usage.services import asking, controls, groups, profiles, rollups, sandbox, subjects

log = logging.getLogger(__name__)

ERRORS: dict[type[Exception], tuple[int, str]] = {
    authentication.Unauthenticated: (401, "UNAUTHENTICATED"),
    drf.NotAuthenticated: (401, "UNAUTHENTICATED"),
    permissions.ForbiddenScope: (403, "FORBIDDEN_SCOPE"),
    services.ScopeNotDelegable: (403, "FORBIDDEN_SCOPE"),
    services.OrganizationSuspended: (503, "KILL_SWITCH"),
    services.OrganizationArchived: (409, "CONFLICT"),
    services.KeyNotCurrent: (409, "CONFLICT"),
    services.KeyOutlivesMinter: (422, "VALIDATION"),
    services.MetadataTooLarge: (422, "VALIDATION"),
    external_ids.ExternalIdTaken: (409, "CONFLICT"),
    InsufficientCredits: (402, "BILLING_EXHAUSTED"),
    credits.BillingExhausted: (402, credits.BillingExhausted.code),
    credits.TooManyHolds: (429, credits.TooManyHolds.code),
    usage.AiNotConfigured: (402, usage.AiNotConfigured.code),
    usage.ModelNotEnabled: (402, usage.ModelNotEnabled.code),
    usage.ModelRetired: (402, usage.ModelRetired.code),
    usage.TierNotAllowed: (402, usage.TierNotAllowed.code),
    usage.Left: (422, "VALIDATION"),
    rollups.RollupsBehind: (503, "UNAVAILABLE"),
    asking.ActorGone: (404, "NOT_FOUND"),
    usage.NotInTokens: (422, "VALIDATION"),
    usage.NothingHeld: (422, "VALIDATION"),
    credits.HoldsAreEnding: (503, "UNAVAILABLE"),
    credits.ChargeTooLarge: (422, "CHARGE_LIMIT"),
    controls.AiNotEnabled: (403, "AI_NOT_CONFIGURED"),
    controls.DowngradeAboveShutoff: (422, "VALIDATION"),
    subjects.UnknownSubject: (404, "NOT_FOUND"),
    subjects.InexactName: (422, "VALIDATION"),
    groups.InAnotherEntityGroup: (409, "CONFLICT"),
    groups.GroupInUse: (409, "CONFLICT"),
    groups.ProfileIsForTeams: (422, "VALIDATION"),
    sandbox.MadeInASandbox: (409, "CONFLICT"),
    profiles.SystemProfile: (409, "CONFLICT"),
    profiles.ProfileInUse: (409, "CONFLICT"),
    Unpriced: (422, "VALIDATION"),
    usage.NoPrice: (422, usage.NoPrice.code),
    ImpossibleTokens: (422, "VALIDATION"),
    credits.ForeignProfile: (422, "VALIDATION"),
    credits.RechargeLimitReached: (422, "VALIDATION"),
    credits.InvalidAmount: (422, "VALIDATION"),
    credits.InvalidExpiry: (422, "VALIDATION"),
    credits.NotARoot: (422, "VALIDATION"),
    credits.RefillRequiresThresholdAndAmount: (422, "VALIDATION"),
    credits.HasActiveChildren: (409, "CONFLICT"),
    credits.CancelledAbove: (409, "CONFLICT"),
    credits.ReservationClosed: (409, "CONFLICT"),
    credits.AlreadyReversed: (409, "CONFLICT"),
    credits.NothingLeft: (409, "CONFLICT"),
    credits.NotPending: (409, "CONFLICT"),
    usage.NotSettled: (409, "CONFLICT"),
    usage.NothingToReverse: (409, "CONFLICT"),
    usage.ForgivenMeanwhile: (409, "CONFLICT"),
    credits.ReferenceTaken: (409, "CONFLICT"),
    gates.WalletBusy: (503, "UNAVAILABLE"),
    idempotency.MalformedKey: (422, "VALIDATION"),
    idempotency.IdempotencyRequired: (400, "IDEMPOTENCY_REQUIRED"),
    idempotency.IdempotencyConflict: (409, "IDEMPOTENCY_CONFLICT"),
    MalformedJson: (400, "VALIDATION"),
    BodyIncomplete: (400, "VALIDATION"),
    BodyTooSlow: (408, "REQUEST_TIMEOUT"),
    BodyTooLong: (413, "PAYLOAD_TOO_LARGE"),
    TooManyBodies: (429, "RATE_LIMITED"),
    BodyTooLarge: (413, "PAYLOAD_TOO_LARGE"),
    Http404: (404, "NOT_FOUND"),
    drf.NotFound: (404, "NOT_FOUND"),
    drf.MethodNotAllowed: (405, "METHOD_NOT_ALLOWED"),
    drf.NotAcceptable: (406, "NOT_ACCEPTABLE"),
    drf.UnsupportedMediaType: (415, "UNSUPPORTED_MEDIA_TYPE"),
    drf.ValidationError: (422, "VALIDATION"),
    drf.Throttled: (429, "RATE_LIMITED"),
}
"""Every anticipated error. A subclass is its nearest base unless it has a line of its own."""

ERROR_CODE = "purser.error_code"
"""Where a request keeps the code that it was refused with, for the log."""
MAX_ERRORS = 100
"""How many errors of one request are told, each with its field; of the rest only how many there are."""

# What PostgreSQL says by five characters, of which the first two are a class: https://www.postgresql.org/docs/current/errcodes-appendix.html
_DUPLICATE = "23505"
_GONE = "23503"
_UNREPRESENTABLE = ("22003", "22021", "22P02", "22P05")
# Not of the request: it is waited for in vain, stopped, being restarted, undone for another's sake,
_BUSY = ("08", "40", "57", "55P03")
# or lacks memory, room on its disk or connections, or cannot read it;
_SHORT = ("53", "58")
# or of this session: the server became a standby, a part of a cluster failed, a migration changed a column or a function, a pool or somebody's
# mistake left it in a transaction that failed, or without what it had prepared.
_OF_THE_SESSION = ("25", "26", "34", "XX", "0A000", "42883")

# Where the exception's own words would tell too much, or nothing.
_NOT_FOUND = "not found"
_MALFORMED = "the request is malformed"
_OUR_FAULT = "something went wrong here; the request id helps us find it"


ALWAYS_LAYERS = (405, 413, 415)
"""What is said in the envelope of Layers whatever the contract: the others know no such refusal."""


@dataclass(frozen=True)
class Failure:
    """An error as a client may see it, whatever the contract."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def handle(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of a view, in the envelope of the view's contract."""
    request: HttpRequest = context["request"]._request
    failure = explain(exc)
    if failure.status == 500:
        log.error("unexpected error on %s %s", request.method, request.path, exc_info=exc)
    if isinstance(exc, DatabaseError) and failure.status == 503:
        _complain(exc, request)
    request.META[ERROR_CODE] = failure.code
    contract = getattr(context["view"], "envelope", "layers")
    status, body = envelope(failure, contract=contract, request_id=request_id(request))
    response = Response(body, status=status, headers=dict(failure.headers))
    # Django would write another line about it; ours stands in the access log.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _complain(exc: DatabaseError, request: HttpRequest) -> None:
    """Log what will not pass by itself, though the request is told to come again."""
    state = idempotency.sqlstate(exc) or ""
    if state.startswith(_OF_THE_SESSION):
        connection.close_at = 0  # the next request connects anew
    if state.startswith(_SHORT + _OF_THE_SESSION):
        log.error("answered 503 to %s %s", request.method, request.path, exc_info=exc)


def explain(exc: Exception) -> Failure:
    """Return what may be told of an exception."""
    if isinstance(exc, DatabaseError):
        return _explain_database(exc)
    known = next((ERRORS[cls] for cls in type(exc).__mro__ if cls in ERRORS), None)
    if isinstance(exc, SuspiciousOperation):
        return Failure(400, "VALIDATION", _MALFORMED)
    if known is None:
        return Failure(500, "INTERNAL", _OUR_FAULT)
    status, code = known
    if isinstance(exc, drf.ValidationError):
        errors = _flatten(exc.detail)
        fields = dict(islice(errors, MAX_ERRORS))
        omitted = sum(1 for _ in errors)
        more = {"omitted": omitted} if omitted else {}
        return Failure(status, code, _first(fields), {"fields": fields, **more})
    message = _NOT_FOUND if isinstance(exc, Http404) else str(exc)
    return Failure(status, code, message, getattr(exc, "details", {}), _headers(exc, status))


def envelope(failure: Failure, *, contract: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Return the status and the body by which a contract says that something failed."""
    if failure.status in ALWAYS_LAYERS:
        contract = "layers"
    if contract == "layers":
        return failure.status, _layers(failure, request_id)
    status = 400 if failure.status == 422 else failure.status
    return status, (_omni if contract == "omni" else _i5)(failure, status)


def request_id(request: HttpRequest) -> str:
    """Return the id that the middleware gave the request."""
    return str(request.META.get("REQUEST_ID", ""))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 400: a bad host, a bad query."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    told = str(exception) if isinstance(exception, BadRequest) else ""
    return _plain(request, Failure(400, "VALIDATION", told or _MALFORMED))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 404: a path that nobody owns."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return _plain(request, explain(Http404()))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler of 500: what broke outside of a view. Django has logged it."""
    if not _is_api(request):
        return defaults.server_error(request)
    return _plain(request, Failure(500, "INTERNAL", _OUR_FAULT))


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _plain(request: HttpRequest, failure: Failure) -> HttpResponse:
    request.META[ERROR_CODE] = failure.code
    contract = _contract_of(request)
    status, body = envelope(failure, contract=contract, request_id=request_id(request))
    return HttpResponse(wire.dumps(body), status=status, content_type="application/json")


def _contract_of(request: HttpRequest) -> str:
    """Return the contract of the door that a path leads to, whose view may not have been reached."""
    try:
        door = resolve(request.path_info).func
    except Resolver404:
        return "layers"
    return getattr(getattr(door, "cls", None), "envelope", "layers")


def _explain_database(exc: DatabaseError) -> Failure:
    state = idempotency.sqlstate(exc) or ""
    if state == _DUPLICATE:
        return Failure(409, "CONFLICT", "somebody else did this at the same moment, or before")
    if state == _GONE:
        return Failure(409, "CONFLICT", "what this refers to was deleted at the same moment")
    if state in _UNREPRESENTABLE:
        return Failure(400, "VALIDATION", "a value cannot be stored")
    lost = not state and isinstance(exc, OperationalError | InterfaceError)
    if lost or state.startswith(_BUSY + _SHORT + _OF_THE_SESSION):
        busy = "the database is busy or restarting; try again"
        return Failure(503, "UNAVAILABLE", busy, headers={"Retry-After": "1"})
    return Failure(500, "INTERNAL", _OUR_FAULT)


def _headers(exc: Exception, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="api"'}
    wait: float | None = getattr(exc, "wait", None)
    return {} if wait is None else {"Retry-After": str(ceil(wait))}


def _layers(failure: Failure, request_id: str) -> dict[str, Any]:
    error = {"code": failure.code, "message": failure.message, "requestId": request_id}
    return {"error": error | ({"details": failure.details} if failure.details else {})}


def _omni(failure: Failure, status: int) -> dict[str, Any]:
    if status >= 429:
        return {"error": str(status), "message": failure.message}
    return {"detail": f"{HTTPStatus(status).phrase}: {failure.message}", "status": status}


def _i5(failure: Failure, status: int) -> dict[str, Any]:
    return {
        "statusCode": status,
        "error": HTTPStatus(status).phrase,
        "message": failure.message,
        "code": failure.code,
    }


def _flatten(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield (field, sentences) for each field of a nested validation error."""
    if isinstance(detail, Mapping):
        children = [(str(name), child) for name, child in detail.items()]
    elif any(isinstance(child, Mapping | list) for child in detail):
        children = [(str(number), child) for number, child in enumerate(detail) if child]
    else:
        yield path or "body", [str(sentence) for sentence in detail]
        return
    for name, child in children:
        yield from _flatten(
            child if isinstance(child, Mapping | list) else [child],
            path if name == "non_field_errors" else f"{path}.{name}".lstrip("."),
        )


def _first(fields: Mapping[str, list[str]]) -> str:
    name, sentences = next(iter(fields.items()))
    return f"{name}: {sentences[0]}"
