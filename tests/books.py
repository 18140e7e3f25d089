"""The check of the books: after every test that used the database, they must still be right."""

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from django.db import connection
from psycopg.pq import TransactionStatus

from credits.ledger import HASH
from credits.reconcile import ENTRY, statement
from tests.database import SNAPSHOT
from usage.reconcile import CHECKS

MARKER = "broken_books: breaks the books on purpose, so they are not checked after the test"
CLOCK = "the times of a ledger run with its numbers"
"""Of no wrong book: a test may tell first what happened last."""
DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}


class Cursor(Protocol):
    """A cursor of Django's, or of psycopg's where a test has a session of its own."""

    def execute(self, query: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


ALL = {
    **{name: check for name, check in CHECKS.items() if name != CLOCK},
    "every hash is that of its content": f"""
        SELECT e.wallet_id, {ENTRY}, 'its hash is not that of its content' FROM credits_ledgerentry e WHERE e.hash <> {HASH}""",
}


def prepare() -> None:
    """Make the function that looks at the books: a session keeps its plan, which takes ten times as long to make as to run.

    A prepared statement it would lose: psycopg gives all of them up with every rollback.
    """
    body = f"BEGIN RETURN QUERY {statement(ALL)}; END"
    columns = "number integer, subject text, detail text, organization_id uuid"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION {SNAPSHOT}.books() RETURNS TABLE ({columns}) LANGUAGE plpgsql AS"
            f" $books$ #variable_conflict use_column\n{body} $books$"
        )
        cursor.execute(f"GRANT USAGE ON SCHEMA {SNAPSHOT} TO PUBLIC")


def findings() -> list[str]:
    """Return what is wrong with the books: every check in SQL, and every hash of every ledger."""
    with connection.cursor() as cursor:
        return reconciled(cursor)


def reconciled(cursor: Cursor) -> list[str]:
    """Return what `reconcile` and `verify_ledger` would find, in one statement."""
    names = list(ALL)
    cursor.execute(f"SELECT number, subject, detail FROM {SNAPSHOT}.books()")
    return [f"{names[number]}: {subject}: {detail}" for number, subject, detail in cursor]


@pytest.fixture(autouse=True)
def books(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves the books wrong, whatever else it asserted."""
    if not uses_the_database(request.node):
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


def uses_the_database(test: pytest.Item) -> bool:
    marked = test.get_closest_marker("django_db") is not None
    return marked or not DATABASE_FIXTURES.isdisjoint(getattr(test, "fixturenames", ()))


def _transaction_has_failed() -> bool:
    """Whether a refused statement ended the transaction that the whole test ran in: all is undone."""
    open_connection = connection.connection
    if open_connection is None or open_connection.closed:
        return False
    return bool(open_connection.info.transaction_status == TransactionStatus.INERROR)
