"""What granian serves: Django in a few threads, and bodies that are read outside of them.

A body that comes slowly must keep nobody waiting, and nobody reads one before it is known who asks. So Django begins with the headers
alone. Where it asks for the body, its thread waits a moment, in which nearly every body is there; if not, the thread is given back
(`BodyWanted`), the loop reads on under a deadline and a floor of speed, and Django begins again with all of it. Nothing was done
by then: every door reads its body before it opens a transaction. What nobody asked for is not read: the connection is closed
after the answer.
"""

import asyncio
import gc
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any

from django.conf import settings

from config.bodies import LONGEST_BYTES, Body, BodyWanted, TooManyBodies
from config.headers import environ_of, length_of
from config.wsgi import application as django

THREADS = 16
"""Of one process, for the API: they wait for the database, and for nothing else."""
CONSOLE_THREADS = 1
"""And for the pages of the admin: however slow these are, the API has its own. One, since a page computes most of its time, which more of them
at once would not shorten: each would only make requests of the API wait longer for their turn. Another process has another. As many connections
are open at most as there are threads of all kinds."""
FILE_THREADS = 1
"""And for its files, some of which take minutes: they keep each other waiting, and no page."""
TURN_SECONDS = 0.001
"""After how long a page that computes lets a request of the API do so: Python's usual five milliseconds are as long as one takes. Only while there
is a page, for turns cost something, too."""
CONSOLE = "/admin/"
FILES = ("/export/", "/csv/", ".csv")
"""How the addresses of files end there."""
SMALL_BYTES = 64 * 1024
"""Bodies that are read while it is found out who asks: nearly all of them, and they are here already."""
SLOW_BODIES = 16
"""How many bodies of one caller may be on their way at once in one process: of a whole tree of organizations, or of an address that
shows no key."""
LINGER_SECONDS = 5.0
LINGER_BYTES = 8 * 1024 * 1024
"""How long, and how much, is read and thrown away after an answer: who is still sending sees it, and not a reset."""
GARBAGE = 10_000
"""How many things more than before there are when garbage is looked for that only refers to itself: what some thirty requests leave."""
IN_MEMORY_BYTES = 1024 * 1024
PIECE_BYTES = 64 * 1024
PIECE_SECONDS = 60.0
"""How long a caller may take for one piece of a long answer."""


@dataclass
class Answer:
    """An answer, collected whole: whoever takes it slowly holds no thread. One that is long is in a file."""

    status: int = 500
    headers: list[tuple[str, str]] = field(default_factory=list)
    content: bytes = b""
    file: SpooledTemporaryFile[bytes] | None = None

    def start(self, status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        """Take the head, as WSGI's `start_response`."""
        self.status, self.headers = int(status[:3]), headers

    def take(self, chunks: Iterable[bytes]) -> None:
        """Take the body."""
        pieces = iter(chunks)
        self.content = next(pieces, b"")
        second = next(pieces, None)
        if second is None and len(self.content) <= IN_MEMORY_BYTES:
            return
        self.file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 — closed when it is sent
        self.file.writelines((self.content, second or b""))
        self.file.writelines(pieces)


class Server:
    """The application in the interface of granian (RSGI): one for each process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="django")
        self._console = ThreadPoolExecutor(CONSOLE_THREADS, thread_name_prefix="console")
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")
        self._slow: Counter[str] = Counter()
        self._pages, self._usual_turn = 0, sys.getswitchinterval()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for locks no longer than a request may: nothing is connected yet. Let no line of the log say which line of the code wrote it:
        nobody reads that, and finding it out takes longer than the line. And look for garbage less often, and never in what is there from
        the start: that it is looked for in the middle of a batch of events takes a fifth of its time."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE)
        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
        logging._srcfile = None
        options = settings.DATABASES["default"]["OPTIONS"]
        options["options"] += f" -c lock_timeout={settings.REQUEST_LOCK_TIMEOUT_MS}ms"

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        loop = asyncio.get_running_loop()
        environ = environ_of(scope)
        body = Body(aiter(protocol), length_of(environ), loop)
        environ["wsgi.input"] = body
        if body.announced is None:  # else Django would see none
            environ["CONTENT_LENGTH"] = str(LONGEST_BYTES)
        if 0 < (body.announced or 0) <= SMALL_BYTES:
            body.expect()
        answer = await self._answered(loop, environ)
        if answer is None:
            await self._wait_for(body, environ)
            answer = await self._answered(loop, environ)
        assert answer is not None  # its body is here, or refused
        with answer.file or nullcontext():
            await _send(protocol, answer, is_last=not body.is_over)
        if not body.is_over:
            await body.throw_away(LINGER_BYTES, LINGER_SECONDS)

    async def _answered(
        self, loop: asyncio.AbstractEventLoop, environ: dict[str, Any]
    ) -> Answer | None:
        """Answer in a thread of the API, of the pages, or of the files."""
        path = environ["PATH_INFO"]
        if not path.startswith(CONSOLE):
            return await loop.run_in_executor(self._threads, answer_to, environ)
        threads = self._files if path.endswith(FILES) else self._console
        with self._short_turns():
            return await loop.run_in_executor(threads, answer_to, environ)

    @contextmanager
    def _short_turns(self) -> Iterator[None]:
        """Let requests of the API take their turns soon while a page is made."""
        self._pages += 1
        sys.setswitchinterval(TURN_SECONDS)
        try:
            yield
        finally:
            self._pages -= 1
            if not self._pages:
                sys.setswitchinterval(self._usual_turn)

    async def _wait_for(self, body: Body, environ: dict[str, Any]) -> None:
        with self._place(environ.get("CALLER", "")) as is_free:
            if is_free:
                await body.arrive()
            else:
                body.refuse(TooManyBodies(f"more than {SLOW_BODIES} bodies are on their way"))

    @contextmanager
    def _place(self, caller: str) -> Iterator[bool]:
        self._slow[caller] += 1
        try:
            yield self._slow[caller] <= SLOW_BODIES
        finally:
            self._slow[caller] -= 1
            if not self._slow[caller]:
                del self._slow[caller]


def answer_to(environ: dict[str, Any]) -> Answer | None:
    """Let Django answer, in a thread; None if it asks for a body that is not here yet."""
    answer = Answer()
    try:
        chunks: Any = django(environ, answer.start)
    except BodyWanted:
        return None
    try:
        answer.take(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    return answer


async def _send(protocol: Any, answer: Answer, *, is_last: bool) -> None:
    headers = [*answer.headers, ("connection", "close")] if is_last else answer.headers
    content, file = answer.content, answer.file
    if file is not None:
        length = file.tell()
        file.seek(0)
        content = file.read() if length <= IN_MEMORY_BYTES else b""
    if file is None or content:
        protocol.response_bytes(answer.status, headers, content)
        return
    transport = protocol.response_stream(answer.status, headers)
    with suppress(TimeoutError):
        while piece := file.read(PIECE_BYTES):
            await asyncio.wait_for(transport.send_bytes(piece), PIECE_SECONDS)


application = Server()
