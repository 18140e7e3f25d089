"""The head of a request as WSGI says it, without what WSGI confuses: there `X_A` reads like `X-A`, and two headers like one."""

import sys
from typing import Any

ONCE = frozenset(
    {
        "authorization",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "x-layers-organization",
    }
)
"""Headers that say who asks, for whom, and what. Given twice, one of them would be ignored."""


def environ_of(scope: Any) -> dict[str, Any]:
    """Return the environ of a request, with `REFUSED`, a sentence, where its head has two meanings."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if "\ufffd" in scope.path:  # what granian makes of bytes that are no UTF-8
        environ["REFUSED"] = "the path is not UTF-8"
    names = scope.headers.keys()
    for name in names:
        _add(environ, name, scope.headers.get_all(name))
    return environ


def length_of(environ: dict[str, Any]) -> int | None:
    """Return how long the body is, or None if only its end will tell: it is chunked."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    announced = environ.get("CONTENT_LENGTH", "")
    return int(announced) if announced.isascii() and announced.isdecimal() else 0


def _add(environ: dict[str, Any], name: str, values: list[str]) -> None:
    if "_" in name:
        return
    if name in ONCE and len(values) != 1:
        problem = "given twice" if values else "not ASCII"
        environ["REFUSED"] = f"{name} is {problem}"
    key = name.upper().replace("-", "_")
    separator = "; " if name == "cookie" else ","
    value = separator.join(values)
    environ[key if name in ("content-type", "content-length") else f"HTTP_{key}"] = value
