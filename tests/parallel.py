"""Doing one thing many times at once, each time on a connection of its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

from django.db import connection

from organizations.models import Organization
from tests.sessions import own_session

Result = TypeVar("Result")


def at_once(times: int, act: Callable[[int], Result]) -> list[Result]:
    """Return what `act(0)`, `act(1)`, … return, called at the same moment in as many threads."""
    start = Barrier(times)

    def run(number: int) -> Result:
        start.wait()
        with own_session():
            return act(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


@contextmanager
def locked(organization: Organization) -> Iterator[None]:
    """Hold the lock of a wallet in another session, as long as the block lasts."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "SELECT 1 FROM credits_wallet WHERE id = %s FOR UPDATE",
                [organization.wallet.id],
            )
            yield
    finally:
        other.close()
