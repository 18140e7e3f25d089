"""Every page of the console reads a bounded number of rows, by indexes, with a bounded number of statements, however many customers there are.

In a small world with everything in it that is a question of plans alone. In the full one, of ten thousand organizations with a million entries
and events (`make test-slow`), it is also one of a processor's time: Python's and the database's, whatever else the machine does.
"""

from collections.abc import Iterable, Iterator
from unittest.mock import patch

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from pytest_django.plugin import DjangoDbBlocker

from credits.models import ReferenceMove, Wallet
from credits.reconcile import statement
from credits.verification import verify
from organizations.admin import change_lists
from organizations.admin.exports import MOST_COUNTED
from organizations.models import Failure, Finding
from tests import factories as f
from tests.admin.people import client_of
from tests.big_world import database_of_its_own
from tests.books import ALL
from tests.plans import Statement, told
from tests.scale.console import PLAIN
from tests.scale.copying import ADDED_UP, of_customers
from tests.scale.looking import ANSWERS, read
from tests.scale.pages import Page, forgotten, pages, whom
from tests.scale.world import SMALL, Shape, build
from usage.models import UsageRollup

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.broken_books,
    pytest.mark.xdist_group("pages of a large world"),
]

STATEMENTS = 60
"""How many a page may send."""
FEW = {Failure, Finding, ReferenceMove}
"""What is rare, whose lists offer what there is of it."""
OF_DAYS, MOST_OF_DAYS = {UsageRollup._meta.db_table}, 120_000
"""What the chart of 90 days by model adds up, and how much of it: as many rollups as a giant has in them."""


def world(shape: Shape, blocker: DjangoDbBlocker) -> Iterator[None]:
    with blocker.unblock(), database_of_its_own():
        with time_machine.travel(f.NOW, tick=False):
            build(shape, now=f.NOW)
        yield


@pytest.fixture(scope="module")
def small(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    yield from world(SMALL, django_db_blocker)


@pytest.fixture(autouse=True)
def still_time() -> Iterator[None]:
    with time_machine.travel(f.NOW, tick=False):
        yield


@pytest.fixture
def ana() -> Iterator[Client]:
    with override_settings(STORAGES=PLAIN):
        yield client_of(User.objects.create_superuser("ana"), raise_request_exception=False)


class TestSmall:
    def test_its_books_hold(self, small: None) -> None:
        names = list(ALL)
        with connection.cursor() as cursor:
            cursor.execute(statement(ALL))
            found = [f"{names[row[0]]}: {row[1]}: {row[2]}" for row in cursor]

        assert found == []
        assert [verify(wallet) for wallet in Wallet.objects.all() if verify(wallet)] == []

    @pytest.mark.slow
    def test_pages(self, small: None, ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(change_lists, "LOOKED_AT", 200)
        seen = list(pages(ana, whom(), now=f.NOW, is_brief=True))
        every = {*of_customers(), *ADDED_UP} - FEW
        tables = {model._meta.db_table for model in every}
        with connection.cursor() as cursor:
            # Where an index could serve it is taken, however little there is.
            cursor.execute("SET LOCAL enable_seqscan = off")

        wrong = list(problems(ana, seen, tables, rows=400))

        assert not wrong, "\n\n".join(wrong)
        assert not forgotten(seen)


def problems(client: Client, seen: Iterable[Page], tables: set[str], *, rows: int) -> Iterator[str]:
    """Yield what is wrong with pages, each kind of it once.

    What no index finds in time is looked for among the next 20,000 rows. For how long that is waited for is a bound too, but not one of rows:
    here nobody waits.
    """
    known = set[str]()
    for page in seen:
        with patch.object(change_lists, "_in_a_hurry", return_value=None):
            status, statements = read(client, page)
        # Of whom a selection is, all of it tells; there is a time for that.
        found = [] if page.name.endswith("for many") else list(_problems(statements, tables, rows))
        if status not in ANSWERS or len(statements) > STATEMENTS:
            found.append(f"answers {status} after {len(statements)} statements")
        for problem in found:
            if problem not in known:
                known.add(problem)
                yield f"{page.name}\n{page.url}\n{problem}"


def _problems(statements: Iterable[Statement], tables: set[str], rows: int) -> Iterator[str]:
    for each in statements:
        if each.sql.startswith("SELECT COUNT(*)"):
            counted = each.rows_read
            if counted > 2 * MOST_COUNTED:
                yield f"counts {counted} rows: {each.sql}"
            continue
        if whole := each.scanned & tables:
            yield f"reads the whole of {', '.join(sorted(whole))}: {each.sql}\n{told(each.plan)}"
        most = max((each.read_of.get(table, 0) for table in tables - OF_DAYS), default=0)
        of_days = max((each.read_of.get(table, 0) for table in tables & OF_DAYS), default=0)
        if most > rows or of_days > max(rows, MOST_OF_DAYS):
            yield f"reads {most:.0f} rows: {each.sql}\n{told(each.plan)}"
