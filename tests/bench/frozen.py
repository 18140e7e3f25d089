"""The middleware of Purser as it was before the path of a request was made short, as far as a request of the API goes through it.

It is a measure, so it stays as it is, whatever becomes of `config`. What never happens to a request of the API is left out: a page of the
admin, a login, a head with two meanings.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from math import ceil
from typing import Any
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest, HttpResponse
from uuid_utils.compat import uuid7

Next = Callable[[HttpRequest], HttpResponse]

logger = logging.getLogger("purser.access")
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
POLICIES = {"/admin/": "", "/api/docs/": ""}


def no_store(get_response: Next) -> Next:
    """Forbid to keep an answer that does not say itself how long it may be kept."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def request_id(get_response: Next) -> Next:
    """Give the request an id, and say it in `x-request-id`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.META["REQUEST_ID"] = f"req_{uuid7()}"
        response = get_response(request)
        response["x-request-id"] = request.META["REQUEST_ID"]
        return response

    return middleware


def log(get_response: Next) -> Next:
    """Write a line for the request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = get_response(request)
        if not request.path_info.startswith(("/healthz", "/static/")):
            level = logging.ERROR if response.status_code == 500 else logging.INFO
            logger.log(level, "%s", _line(request, response, time.perf_counter() - began))
        return response

    return middleware


def content_security_policy(get_response: Next) -> Next:
    """Say on every answer what may be loaded and run there."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        policy = next((POLICIES[p] for p in POLICIES if request.path_info.startswith(p)), NOTHING)
        response["Content-Security-Policy"] = policy
        return response

    return middleware


@dataclass(frozen=True)
class Standing:
    """Where a key stands in an endpoint class."""

    endpoint_class: str
    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None

    def headers(self) -> dict[str, str]:
        numbers = {
            "Limit": self.limit,
            "Remaining": self.remaining,
            "Reset": None if self.resets_at is None else ceil(self.resets_at),
        }
        shown = {f"X-RateLimit-{k}": str(v) for k, v in numbers.items() if v is not None}
        return {"X-RateLimit-Endpoint-Class": self.endpoint_class} | shown


def api(get_response: Next) -> Next:
    """Below /api: look at the head and the query, and say the rate limit."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/api/"):
            return get_response(request)
        is_bad = "REFUSED" in request.META or b"\0" in _query(request)
        response = HttpResponse(status=400) if is_bad else get_response(request)
        standing = request.META.get("RATE_LIMIT") or Standing("write-light")
        for name, value in standing.headers().items():
            response[name] = value
        return response

    return middleware


class HostileAddresses:
    """What people never ask the admin for."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_page = request.path_info.startswith("/admin/")
        return HttpResponse(status=400) if is_page else self.get_response(request)


def addressed(get_response: Next) -> Next:
    """Say whose a body is that comes slowly."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.META["CALLER"] = _address_of(request) or ""
        return get_response(request)

    return middleware


def slow_logins(get_response: Next) -> Next:
    """Let an address ask for the login so often in a minute."""

    def middleware(request: HttpRequest) -> HttpResponse:
        is_login = request.path_info == "/admin/login/"
        return HttpResponse(status=429) if is_login else get_response(request)

    return middleware


def expire(get_response: Next) -> Next:
    """End logins that are too old."""

    def middleware(request: HttpRequest) -> HttpResponse:
        is_page = request.path_info.startswith("/admin/")
        return HttpResponse(status=403) if is_page else get_response(request)

    return middleware


class Gate:
    """Between a login and the pages of the admin."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        is_page = request.path_info.startswith("/admin/") and name != "admin:login"
        return HttpResponse(status=403) if is_page else None


def _line(request: HttpRequest, response: HttpResponse, seconds: float) -> str:
    said = (
        request.META["REQUEST_ID"],
        request.method,
        ascii(request.path_info)[1:-1],
        response.status_code,
        *("-", "-", "-"),
        f"{seconds * 1000:.0f}ms",
    )
    return " ".join(str(part) for part in said)


def _address_of(request: HttpRequest) -> str | None:
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    text = request.META.get("REMOTE_ADDR", "") or hops[-1]
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None


def _query(request: HttpRequest) -> bytes:
    query = unquote_to_bytes(request.META.get("QUERY_STRING", ""))
    query.decode("utf-8")
    return query
