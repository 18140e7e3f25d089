"""Requests that go straight to Django's handler, as the server hands them over, without a server."""

import io
import json
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from tests.bench.client import Step
from tests.bench.world import Caller


def ask(handler: WSGIHandler, caller: Caller, step: Step, key: str, id: str = "") -> dict[str, Any]:
    """Return what is answered to a caller.

    :raises RuntimeError: if it is no success
    """
    said: dict[str, Any] = json.loads(_call(handler, _environ(caller, step, key, id)))
    return said


def _environ(caller: Caller, step: Step, key: str, id: str) -> dict[str, Any]:
    body = step.body.encode()
    return {
        "REQUEST_METHOD": step.method,
        "PATH_INFO": step.path.replace("{id}", id),
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": caller.authorization,
        "HTTP_IDEMPOTENCY_KEY": key,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }


def _call(handler: WSGIHandler, environ: dict[str, Any]) -> bytes:
    status: list[str] = []

    def start(line: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
        status.append(line)

    response = handler(environ, start)
    try:
        body = b"".join(response)
    finally:
        response.close()
    if not status[0].startswith("20"):
        raise RuntimeError(f"{status[0]}: {body.decode()}")
    return body
