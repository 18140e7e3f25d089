"""Where the time of one reserve and one settle goes, by Python's own profiler: what is left when the database is fast."""

import cProfile
import io
import json
import pstats
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from tests.bench import steps
from tests.bench.client import Step
from tests.bench.world import Caller

TIMES = 200
TOP = 45
WORDS = {"reserve": 0, "settle": 1}


def profile(caller: Caller, what: str) -> str:
    """Call the handler, as the server does, so many times; return the functions that took the longest, of a reserve or of a settle."""
    handler = WSGIHandler()
    watched = cProfile.Profile()
    for n in range(TIMES):
        id = ""
        for number, step in enumerate((steps.RESERVE, steps.SETTLE)):
            environ = _environ(caller, step, f"profile-{n}-{number}", id)
            is_watched = n > 10 and WORDS[what] == number
            if is_watched:
                watched.enable()
            body = _call(handler, environ)
            if is_watched:
                watched.disable()
            id = json.loads(body)["id"]
    text = io.StringIO()
    found = pstats.Stats(watched, stream=text).strip_dirs()
    text.write(f"{what}: {found.total_tt / (TIMES - 11) * 1e3:.2f} ms under the profiler\n")  # type: ignore[attr-defined]
    found.sort_stats("tottime").print_stats(TOP)
    found.sort_stats("cumulative").print_stats(TOP)
    return text.getvalue()


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
