"""The server as it runs: granian on a port of its own, before the database of the tests; and callers who send what they like."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from tests.config.test_run import PROJECT, eventually, free_port, request
from tests.conftest import TEST_DATABASE_URL
from tests.documented import Exchange, check

PLAIN_START = re.compile(r"(?P<method>[A-Z]+) (?P<path>/api/[^ ?]*)\S* HTTP/1\.1\r\n")
HEAD = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"


def environment() -> dict[str, str]:
    """Return the variables by which another process works on the database of the tests, with our secrets."""
    url = os.environ.get(TEST_DATABASE_URL) or os.environ["DATABASE_URL"]
    name = connection.settings_dict["NAME"]
    return {
        "DATABASE_URL": f"{url.rpartition('/')[0]}/{name}",
        "SECRET_KEY": settings.SECRET_KEY,
        "API_KEY_SECRET": settings.API_KEY_SECRET,
        "CLOCK": "system",
    }


@contextmanager
def serving(log: Path) -> Iterator[int]:
    """Serve in one process, as `make run` does in two, and yield the port."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "rsgi", "--http", "1", "--no-ws"),
        *("--workers", "1", "--host", "127.0.0.1", "--port", str(port)),
        "config.server:application",
    ]
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **environment()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        assert eventually(lambda: request(port, "GET", "/healthz")[0] == 200), log.read_text()
        yield port
    finally:
        server.terminate()
        server.wait()


class Line:
    """A connection, and what comes back on it."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=60, source_address=(source, 0)
        )
        self.asked: str | bytes = ""
        """What is to be answered next, as far as it was sent in one piece."""

    def send(self, text: str | bytes) -> "Line":
        self.asked = self.asked or text
        self.socket.sendall(text.encode("latin-1") if isinstance(text, str) else text)
        return self

    def hang_up(self) -> "Line":
        """Say that nothing more comes, and go on listening."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self) -> "Answer":
        """Read one answer."""
        file = self.socket.makefile("rb")
        status = int(file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        content = file.read(int(headers.get("content-length", 0)))
        self._compare(status, headers, content)
        return Answer(status, headers, content)

    def _compare(self, status: int, headers: dict[str, str], content: bytes) -> None:
        """Compare an answer with the document, where it is plain what was asked. What is no HTTP is refused before it comes to us."""
        asked, self.asked = self.asked, ""
        text = asked if isinstance(asked, str) else asked.decode("latin-1")
        begins = PLAIN_START.match(text)
        if begins and "x-request-id" in headers:
            check(Exchange(begins["method"], begins["path"], None, status, headers, content))

    def close(self) -> None:
        self.socket.close()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status, self.headers, self.content = status, headers, content

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def half(port: int, start: str, *headers: str, sent: str = "{") -> Line:
    """Send the head of a request and the beginning of a body of 1,000 bytes."""
    length = () if any("chunked" in header for header in headers) else ("Content-Length: 1000",)
    head = "".join(f"{header}\r\n" for header in (*headers, *length))
    return Line(port).send(f"{start} HTTP/1.1\r\n{HEAD}{head}\r\n{sent}")


def post(port: int, path: str, body: str, *headers: str, length: int | None = None) -> Line:
    """Send a request; with `length`, one that announces another one than it has."""
    head = "".join(f"{header}\r\n" for header in headers)
    announced = len(body) if length is None else length
    return Line(port).send(
        f"POST {path} HTTP/1.1\r\n{HEAD}{head}Content-Length: {announced}\r\n\r\n{body}"
    )
