"""The check of the books: after every test that used the database, they must still be right."""

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from django.db import connection
from psycopg.pq import TransactionStatus

from credits import verification
from credits.models import Wallet
from credits.reconcile import statement
from usage.reconcile import CHECKS

MARKER = "broken_books: breaks the books on purpose, so they are not checked after the test"
DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}


class Cursor(Protocol):
    """A cursor of Django's, or of psycopg's where a test has a session of its own."""

    def execute(self, query: Any, /) -> Any: ...
    def fetchone(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


def findings() -> list[str]:
    """Return what is wrong with the books: every check in SQL, and every hash of every ledger."""
    with connection.cursor() as cursor:
        found = reconciled(cursor)
    for wallet in Wallet.objects.order_by("id"):
        bad = verification.verify(wallet)
        if bad is not None:
            found.append(f"ledger of wallet {wallet.id}: entry {bad.number}: {bad.problem}")
    return found


def reconciled(cursor: Cursor) -> list[str]:
    """Return what `reconcile` would find. Planning its statement takes ten times as long as running it: once per session is enough."""
    names = list(CHECKS)
    cursor.execute("SELECT FROM pg_prepared_statements WHERE name = 'books'")
    if cursor.fetchone() is None:
        cursor.execute(f"PREPARE books AS {statement(CHECKS)}")
    cursor.execute("EXECUTE books")
    return [f"{names[number]}: {subject}: {detail}" for number, subject, detail, _ in cursor]


@pytest.fixture(autouse=True)
def books(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves the books wrong, whatever else it asserted."""
    if not uses_the_database(request):
        yield
        return
    # What is set up first is torn down last: the rows must still be there when we look.
    request.getfixturevalue("db")
    yield
    if request.node.get_closest_marker("broken_books") or _transaction_has_failed():
        return
    found = findings()
    if found:
        pytest.fail("the books are wrong after this test:\n  " + "\n  ".join(found), pytrace=False)


def uses_the_database(request: pytest.FixtureRequest) -> bool:
    marked = request.node.get_closest_marker("django_db") is not None
    return marked or not DATABASE_FIXTURES.isdisjoint(request.fixturenames)


def _transaction_has_failed() -> bool:
    """Whether a refused statement ended the transaction that the whole test ran in: all is undone."""
    open_connection = connection.connection
    if open_connection is None or open_connection.closed:
        return False
    return bool(open_connection.info.transaction_status == TransactionStatus.INERROR)
