"""The body of a request on its way: asked for in a thread, read by the loop, under a deadline and a floor of speed."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO

from django.core.exceptions import BadRequest

MOMENT_SECONDS = 0.1
"""How long a thread waits for a body. One that came with its headers is there at once."""
PATIENCE_SECONDS = 10.0
BYTES_PER_SECOND = 4 * 1024
DEADLINE_SECONDS = 300.0
"""A body may take ten seconds, and one more for every 4 kB of it that came; never more than five minutes.
So a bad line (10 kB/s) brings 2 MB, and who sends a byte a second is gone after ten."""
LONGEST_BYTES = 2 * 1024 * 1024 + 512 * 1024
"""More than any door takes. What is announced longer is not read."""


class BodyWanted(BaseException):
    """The body is asked for and not here. Not an `Exception`: nobody between a door and the server may answer it."""


class BodyTooSlow(BadRequest):
    """The body stayed away, or came slower than anybody's line."""


class BodyIncomplete(BadRequest):
    """The connection ended within the body. What came may look whole, and is not what was meant."""


class BodyTooLong(BadRequest):
    """The body is longer than any door takes."""


class TooManyBodies(BadRequest):
    """One caller has as many bodies on their way as it may."""

    wait = 1.0


class Body:
    """A body, as `wsgi.input`: `read` is for threads, the coroutines are the loop's.

    :param chunks: what the server yields: pieces, and an empty one at the end; two if it ended in the middle
    :param announced: the Content-Length, None for a chunked body
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        announced: int | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.announced = announced
        self.is_over = announced == 0
        self._chunks = chunks
        self._loop = loop
        self._content = BytesIO()
        self._error: Exception | None = None
        self._arriving: asyncio.Task[None] | None = None
        self._is_here = threading.Event()
        self._wanted = LONGEST_BYTES if announced is None else announced
        self._ends = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, or what is left.

        :raises BodyWanted: if they are not here in a moment
        :raises BodyTooSlow: if they never came
        :raises BodyIncomplete: if the connection ended within them
        """
        self._require(size)
        return self._content.read(size)

    def readline(self, size: int = -1) -> bytes:
        """Return the next line, as `read` returns bytes."""
        self._require(size)
        return self._content.readline(size)

    def _require(self, size: int) -> None:
        if self.is_over and self._arriving is None:
            return
        if self._wanted > LONGEST_BYTES:
            raise BodyTooLong(f"the body is longer than {LONGEST_BYTES} bytes")
        if not self._is_here.is_set():
            if self.announced is None and size > 0:
                self._wanted = min(self._wanted, size)
            self._loop.call_soon_threadsafe(self._begin)
            if not self._is_here.wait(MOMENT_SECONDS):
                raise BodyWanted
        if self._error is not None:
            raise self._error

    def refuse(self, error: Exception) -> None:
        """Let whoever reads meet this error; what comes is not read on."""
        self._error = error
        if self._arriving is not None:
            self._arriving.cancel()
        self._is_here.set()

    def expect(self) -> None:
        """Begin to read: it may be here when a thread asks for it."""
        self._begin()

    async def arrive(self) -> None:
        """Return when all of it is here, or is not going to be."""
        await asyncio.wait([self._begin()])

    async def throw_away(self, most: int, seconds: float) -> None:
        """Read on and forget it, at most so much and so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._arriving is not None:
                    await asyncio.wait([self._arriving])
                while not self.is_over and most > 0 and (chunk := await self._next()) is not None:
                    most -= len(chunk)

    def _begin(self) -> asyncio.Task[None]:
        if self._arriving is None:
            self._arriving = self._loop.create_task(self._arrive())
        return self._arriving

    async def _arrive(self) -> None:
        try:
            await self._collect()
        except (BodyTooSlow, BodyIncomplete) as error:
            self._error = error
        finally:
            self._content.seek(0)
            self._is_here.set()

    async def _collect(self) -> None:
        began, came = self._loop.time(), 0
        while came < self._wanted and not self.is_over:
            patience = min(DEADLINE_SECONDS, PATIENCE_SECONDS + came / BYTES_PER_SECOND)
            try:
                async with asyncio.timeout_at(began + patience):
                    chunk = await self._next()
            except TimeoutError as error:
                raise BodyTooSlow(f"{came} bytes came in {patience:.0f} seconds") from error
            came += self._content.write(chunk or b"")
            self.is_over |= came == self.announced
        is_short = self.announced is not None and came < self.announced
        if is_short or self._ends > 1:
            raise BodyIncomplete("the connection ended within the body")

    async def _next(self) -> bytes | None:
        """Return the next piece, or None at the end."""
        try:
            chunk = await self._chunks.__anext__()  # `anext` with a default crashes granian
        except StopAsyncIteration:
            self.is_over = True
            return None
        if not chunk:
            self._ends += 1
        return chunk
