"""What every request gets, whoever answers it: an id, its rate-limit headers, a head that means one thing, an answer that nobody keeps."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.exceptions import BadRequest, ImproperlyConfigured, ValidationError
from django.db import DatabaseError, DataError, connection
from django.http import HttpRequest, HttpResponse

from config.exceptions import bad_request
from config.throttling import Standing, default_class
from organizations.ids import new_id, write

log = logging.getLogger(__name__)

_IMPOSSIBLE = (DataError, OverflowError, TypeError, ValidationError, ValueError)
"""What becomes of a value that a column cannot have."""
_VIEWS = ("_get_response", "_get_response_async")
"""What Django's handler calls behind all middleware: it calls the view."""

Next = Callable[[HttpRequest], HttpResponse]


def no_store(get_response: Next) -> Next:
    """Forbid to keep an answer that does not say itself how long it may be kept: it may hold a secret, or somebody's money."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def request_id(get_response: Next) -> Next:
    """Give the request an id, and say it in `x-request-id`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.META["REQUEST_ID"] = write("req", new_id())
        response = get_response(request)
        response["x-request-id"] = request.META["REQUEST_ID"]
        return response

    return middleware


def api(get_response: Next) -> Next:
    """Below /api: refuse a head that has two meanings or a query that is not UTF-8; say the rate limit."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/api/"):
            return get_response(request)
        # Its first statement, the lookup of the key, finds out whether the connection still is one (organizations/statements.py).
        connection.health_check_done = True  # type: ignore[attr-defined]
        bad = _malformed(request) or _nul_in_query(request)
        response = bad_request(request, bad) if bad else get_response(request)
        standing = request.META.get("RATE_LIMIT") or Standing(default_class(request.method))
        for name, value in standing.headers().items():
            response[name] = value
        return response

    return middleware


def patience(get_response: Next) -> Next:
    """Wait for locks on pages of the admin as long as a job does: a person waits once, and does not try again by itself."""

    def middleware(request: HttpRequest) -> HttpResponse:
        hurried = f"lock_timeout={settings.REQUEST_LOCK_TIMEOUT_MS}ms"
        if (
            not _is_page(request)
            or hurried not in settings.DATABASES["default"]["OPTIONS"]["options"]
        ):
            return get_response(request)
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, false)", [f"{settings.LOCK_TIMEOUT_MS}ms"]
            )
        try:
            return get_response(request)
        finally:
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")

    return middleware


class PagesOnly:
    """Leaves out for the API what follows: sessions, forms and messages are for those who are logged in.

    What follows are classes that keep their `get_response`, as Django's do: a function hides what it calls.

    :raises ImproperlyConfigured: if one of them hides the view, so that no request of the API would get there
    """

    def __init__(self, get_response: Any) -> None:
        self.get_response = self.view = get_response
        while hasattr(self.view, "get_response"):
            self.view = self.view.get_response
        if self.view.__name__ not in _VIEWS:
            raise ImproperlyConfigured(f"{self.view.__name__} hides the view from the API")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_api = request.path_info.startswith("/api/")
        answer: HttpResponse = (self.view if is_api else self.get_response)(request)
        return answer


class HostileAddresses:
    """What people never ask the admin for, and others do: answer it with a page, and not as a failure of ours.

    A filter of Django's admin hands to the database what the address says: NUL, or the year 99999.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        bad = None
        if _is_page(request):
            bad = _malformed(request)
            if "\0" in request.path_info:
                bad = BadRequest("NUL in the path")
        return bad_request(request, bad) if bad else self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what an address made of values that are none, where nothing is written."""
        impossible = isinstance(exception, _IMPOSSIBLE) and _is_page(request)
        match = request.resolver_match
        said = request.GET or (match and match.kwargs)
        if not (impossible and said and request.method in ("GET", "HEAD")):
            return None
        log.warning("an address that says nothing: %s", request.get_full_path(), exc_info=exception)
        return bad_request(request, exception)


def _is_page(request: HttpRequest) -> bool:
    return request.path_info.startswith("/admin/")


def _malformed(request: HttpRequest) -> BadRequest | None:
    """Return what is wrong with the head of a request, or the bytes of its query: Django would quietly replace them."""
    if "REFUSED" in request.META:
        return BadRequest(request.META["REFUSED"])
    try:
        _query(request).decode("utf-8")
    except UnicodeDecodeError:
        return BadRequest("the query is not UTF-8")
    return None


def _nul_in_query(request: HttpRequest) -> BadRequest | None:
    """Refuse what no field of the API can hold. A search of the admin finds nothing by it, and says so."""
    return BadRequest("NUL in the query") if b"\0" in _query(request) else None


def _query(request: HttpRequest) -> bytes:
    return unquote_to_bytes(request.META.get("QUERY_STRING", ""))
