"""Real callers at the same moment: each in a thread, on a connection of its own that it closes."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import TypeVar

from django.db import OperationalError, connection

from organizations import gates
from tests.sessions import own_session

Kind = TypeVar("Kind")
PATIENCE_SECONDS = 60.0
"""How long the callers wait for each other: only a test that is broken waits so long."""

TIMES = 50
"""How often a caller is told that a wallet is busy, and comes again."""


def together(*calls: Callable[[], object]) -> list[object]:
    """Make all calls at the same moment; return, in their order, what each returned or raised."""
    (outcomes,) = in_rounds(1, *[lambda _, call=call: call() for call in calls])
    return outcomes


def in_rounds(rounds: int, *actors: Callable[[int], object]) -> list[list[object]]:
    """Let all actors act at the same moment, round after round; return each round's outcomes. Who is told that a wallet is busy comes again.

    An actor is called with the number of the round, always in the same thread, on the same connection.
    """
    start = Barrier(len(actors), timeout=PATIENCE_SECONDS)

    def act(actor: Callable[[int], object], number: int) -> object:
        start.wait()
        return at_last(lambda: actor(number))

    with ExitStack() as stack:
        threads = [_thread(stack) for _ in actors]
        played = [
            [thread.submit(act, actor, n) for thread, actor in zip(threads, actors, strict=True)]
            for n in range(rounds)
        ]
    return [[_outcome(done) for done in outcomes] for outcomes in played]


def at_last(call: Callable[[], object]) -> object:
    """Make a call, and make it again as a client does who was told that the wallet is busy: this machine may be, too."""
    for _ in range(TIMES):
        try:
            return call()
        except OperationalError as error:
            if not gates.waited_in_vain(error):
                raise
    return call()


def of(kind: type[Kind], outcomes: Iterable[object]) -> list[Kind]:
    """Return those of the outcomes that are of a kind."""
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def _thread(stack: ExitStack) -> ThreadPoolExecutor:
    thread = stack.enter_context(ThreadPoolExecutor(1))
    session = own_session()
    thread.submit(session.__enter__).result()
    stack.callback(thread.submit, session.__exit__, None, None, None)
    thread.submit(_connect).result()
    return thread


def _connect() -> None:
    """Connect this thread. A server with few places may still be letting those of the last race go."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError as error:
            if "too many clients" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _outcome(done: Future[object]) -> object:
    error = done.exception()
    return error if isinstance(error, Exception) else done.result()
