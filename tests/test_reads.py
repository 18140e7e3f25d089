"""Every public read is by index, and looks at no more than a bounded number of rows, however many there are.

Every GET of the API is tried on a wallet with a hundred thousand rows of everything, with each of its filters alone and with any two of
them, where they find much and where they find nothing. Each statement is explained as it is sent. A read that is new is tried too: if it
takes something that this file has no value for, it fails.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import combinations, product
from typing import Any, NamedTuple

import pytest
import time_machine
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from organizations.models import Actor, Group, Organization, UsageProfile
from organizations.pagination import LOOKED_AT
from organizations.scopes import ORG_ADMIN
from tests import factories as f
from tests.big_world import TAIL, BigWorld, database_of_its_own
from tests.plans import Statement, explained, told
from tests.routes import views

pytestmark = [pytest.mark.django_db, pytest.mark.broken_books, pytest.mark.slow]

BIG = 20_000
"""From how many rows on a table may not be read as a whole."""
AT_MOST = 2 * LOOKED_AT + 1_000
"""How many rows one statement may read: what a page looks at, once to find its end, and the page itself."""
BLOCKS_AT_MOST = 20_000
"""And how many blocks, also within functions, whose rows nobody tells."""


class Read(NamedTuple):
    """A GET, and what it is asked for."""

    path: str
    query: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.path}?{'&'.join(f'{name}={value}' for name, value in self.query.items())}"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[BigWorld]:
    with django_db_blocker.unblock(), database_of_its_own():
        yield BigWorld(now=f.NOW)


@pytest.fixture(scope="module")
def big_tables(world: BigWorld, django_db_blocker: DjangoDbBlocker) -> set[str]:
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", [BIG]
        )
        return {name for (name,) in cursor}


class Asked:
    """What the reads of the big organization are asked for: of each field and each place in a path, what there is much of, and what there is none of."""

    def __init__(self, world: BigWorld) -> None:
        big, now, begun = world.big, world.now, world.begun
        ada = Actor.objects.get(organization=big, external_id="ada")
        idle = Actor.objects.get(organization=big, external_id="idle")
        groups = Group.objects.filter(organization=big)
        self.places = {
            "org_id": big.public_id,
            "act_id": ada.public_id,
            "grp_id": groups.get(key="sales").public_id,
            "rsv_id": big.wallet.reservations.earliest("id").public_id,
            "profile_id": str(UsageProfile.objects.earliest("id").id),
            "entity_type": "app",
            "entity_id": "app 2",
        }
        early, late = _moment(begun + timedelta(days=1)), _moment(now - timedelta(days=1))
        self.values: dict[str, list[str]] = {
            "cursor": [],  # of each list two pages are read
            "asOf": [late, early],
            "limit": ["100"],
            "pageSize": ["100"],
            "projectId": ["p-1", "none"],
            "reference": ["payment of Big", "none"],
            "since": [late, early],
            "until": [late, early],
            "entryId": [
                big.wallet.entries.filter(kind="settle").earliest("number").public_id,
                big.wallet.entries.filter(kind="settle", reservation=None)
                .latest("number")
                .public_id,
            ],
            "reservationId": [big.wallet.reservations.earliest("id").public_id],
            "actorId": [ada.public_id, idle.public_id],
            "actorExternalId": ["ada", "idle"],
            "model": ["sonnet", "haiku"],
            "source": ["reservation", "jobs", "none"],
            "active": ["true", "false"],
            "live": ["true", "false"],
            "externalId": ["ada", "none"],
            "groupId": [groups.get(key=key).public_id for key in ("sales", "atlas")],
            "key": ["sales", "none"],
            "startDate": [begun.date().isoformat(), now.date().isoformat()],
            "endDate": [now.date().isoformat(), begun.date().isoformat()],
        }
        parent = _client(world.parent, "*", ORG_ADMIN)
        self.clients = {
            "parent": parent,
            "big": _client(big, "*"),
            "ada": _client(big, "*", actor=ada),
        }

    def reads(self, path: str, view: Any) -> Iterator[Read]:
        """Yield a read with nothing, with each value of each field, and with those of any two."""
        url = "/" + re.sub(r"<\w+:(\w+)>", lambda place: self.places[place[1]], path)
        fields = {
            name: self._values(name, field)
            for name, field in view.operation_for("GET").query().get_fields().items()
        }
        yield Read(url, {})
        for name, values in fields.items():
            yield from (Read(url, {name: value}) for value in values)
        for one, other in combinations(fields, 2):
            if (one, other) == ("actorId", "actorExternalId"):
                continue  # either of them, not both
            for value, another in product(fields[one], fields[other]):
                yield Read(url, {one: value, other: another})

    def _values(self, name: str, field: Any) -> list[str]:
        return [str(choice) for choice in getattr(field, "choices", ())] or self.values[name]

    def client(self, path: str) -> APIClient:
        whose = (
            "ada"
            if path.endswith("ai-budget")
            else "parent"
            if "v1/organizations" in path
            else "big"
        )
        return self.clients[whose]


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _client(organization: Organization, *scopes: str, **options: Any) -> APIClient:
    client = APIClient()
    _, secret = f.make_key(organization, scopes=scopes, **options)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture(scope="module")
def asked(world: BigWorld, django_db_blocker: DjangoDbBlocker) -> Asked:
    with django_db_blocker.unblock():
        return Asked(world)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(f.NOW, tick=False):
        yield


DOORS = {
    path: callback.cls
    for path, callback in views()
    if getattr(callback, "cls", None) is not None
    and hasattr(callback.cls, "operation_for")
    and callback.cls.operation_for("GET") is not None
}
GROUP_LIMITS = (
    "api/v1/ai/credit-controls/entity-groups",
    "api/v1/ai/credit-controls/user-groups",
)
REPORTS = ("api/usage", "api/usage/monthly", "api/usage/top-consumers")
ALLOWED = {
    # `totalRecords`: the contract tells how many limits there are, so they are counted.
    **dict.fromkeys(GROUP_LIMITS, 4 * AT_MOST),
    # A report reads each resource or person: in every whole month, on half the days of two, and in the tail.
    **dict.fromkeys(REPORTS, 35 * BigWorld.RESOURCES + TAIL),
}


@pytest.mark.parametrize("path", DOORS)
def test_a_read(path: str, asked: Asked, big_tables: set[str]) -> None:
    wrong: dict[str, str] = {}
    for read in asked.reads(path, DOORS[path]):
        for page in _pages(asked.client(path), read):
            for statement in page:
                problem = _problem(statement, path, big_tables)
                if problem:
                    wrong.setdefault(
                        f"{problem}: {statement.sql}",
                        f"{problem}\n{read}\n{statement.sql}\n{told(statement.plan)}",
                    )

    assert not wrong, "\n\n".join(wrong.values())


def test_a_charge_reads_the_grants_that_it_needs(world: BigWorld) -> None:
    """Of 5,000 that hold something and 20,000 that are spent: PostgreSQL counts what it read of a table within a transaction."""
    hold = f.reserve(world.big, 2, now=f.NOW)
    before = _grants_read()

    f.settle(hold, 2, now=f.NOW)

    assert 0 < _grants_read() - before < 100


def _grants_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'credits_grant'"
        )
        return int(cursor.fetchone()[0])


def _pages(client: APIClient, read: Read) -> Iterator[list[Statement]]:
    """Read, and where it is a list, its next page too; yield the statements of each."""
    with explained() as statements:
        answer = client.get(read.path, read.query)
    if answer.status_code == 400 and {"startDate", "endDate"} <= set(read.query):
        return  # it ends before it starts
    assert answer.status_code == 200, (read, answer.content)
    yield statements
    cursor = answer.json().get("nextCursor")
    if cursor is not None:
        with explained() as statements:
            answer = client.get(read.path, {**read.query, "cursor": cursor})
        assert answer.status_code == 200, (read, answer.content)
        yield statements


def _problem(statement: Statement, path: str, big_tables: set[str]) -> str | None:
    if whole := sorted(big_tables & statement.scanned):
        return f"reads the whole of {', '.join(whole)}"
    if statement.rows_read > ALLOWED.get(path, AT_MOST):
        return f"reads {statement.rows_read} rows"
    if statement.blocks > BLOCKS_AT_MOST:
        return f"reads {statement.blocks} blocks"
    return None
