"""The log of what was asked and answered: one line for each request, under the id that its answer names."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config.exceptions import ERROR_CODE
from organizations.authentication import PRINCIPAL, Principal

logger = logging.getLogger("purser.access")

SILENT = ("/healthz", "/static/")
"""Asked all day long, and of no interest to anybody."""


def log(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Write `<request id> <method> <path> <status> <code> <organization> <key id> <milliseconds>`, `-` where there is none.

    The query is left out: people search for names. A refusal is business; only what is our own fault is an error.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = get_response(request)
        if not request.path_info.startswith(SILENT):
            level = logging.ERROR if response.status_code == 500 else logging.INFO
            logger.log(level, "%s", _line(request, response, time.perf_counter() - began))
        return response

    return middleware


def _line(request: HttpRequest, response: HttpResponse, seconds: float) -> str:
    principal: Principal | None = request.META.get(PRINCIPAL)
    head, path, code = request.META, ascii(request.path_info)[1:-1], response.status_code
    asked = f"{head['REQUEST_ID']} {request.method} {path} {code} {head.get(ERROR_CODE, '-')}"
    whose = f"{principal.organization.public_id} {principal.key.public_id}" if principal else "- -"
    return f"{asked} {whose} {seconds * 1000:.0f}ms"
