"""A wallet with a hundred thousand rows of everything, made set-wise in a database of its own, and small ones beside it.

One row of each kind is made by the services, and multiplied by SQL: every column of a copy is that row's, but for what tells rows apart. The
books of this world are wrong, and nobody asks them.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Model

from credits.models import Grant, GrantDraw, LedgerEntry, Reservation, UsageCounter, Wallet
from organizations.models import Actor, Group, Membership, Organization
from tests import database
from tests import factories as f
from tests.usage import people as p
from usage import services
from usage.models import AIModel, Limit, RollupMark, UsageEvent, UsageRollup, UsageTotal
from usage.services import rollups

ROWS = 100_000
PEOPLE = 2_000
OTHERS = 20
TAIL = 1_000
"""How many of the events the worker has not added up yet."""
DAYS = 90
"""Over how much time the rows are spread."""


@contextmanager
def database_of_its_own() -> Iterator[None]:
    """Work in a new database, which is removed afterwards: the tests' own would stay as large as what was in it."""
    settings = connection.settings_dict
    before = settings["NAME"]
    name = f"{before}_big"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database.migrated()}"')
    connection.close()
    settings["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        settings["NAME"] = before
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def multiply(row: Model, count: int, **columns: str) -> None:
    """Copy a row so many times. What differs is SQL of `n`, which counts from 1; an `id` that is not named is the table's next."""
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
            " AND is_generated = 'NEVER' AND NOT (column_name = 'id' AND data_type = 'bigint')",
            [table],
        )
        names = [name for (name,) in cursor]
        values = ", ".join(columns.get(name, f't."{name}"') for name in names)
        listed = ", ".join(f'"{name}"' for name in names)
        cursor.execute(
            f"INSERT INTO {table} ({listed}) SELECT {values} FROM {table} t, generate_series(1, {count}) n"
            f" WHERE t.{row._meta.pk.column} = %s",
            [row.pk],
        )


def id_of(kind: str, owner: Organization) -> str:
    """Return the SQL of the id of the nth copy of a kind of an organization's rows. They grow with `n`."""
    salt = zlib.crc32(f"{kind} of {owner.pk}".encode()) & 0xFFFFFF
    return f"('01{salt:06x}00007000a000' || lpad(to_hex(n), 12, '0'))::uuid"


class BigWorld:
    """A parent, its child with very many rows of everything, and others with few."""

    RESOURCES = ROWS // DAYS + 1
    """On how many apps the work is done."""

    def __init__(self, *, now: datetime, rows: int = ROWS) -> None:
        self.now, self.begun = now, now - timedelta(days=DAYS)
        p.make_models()
        self.parent = f.make_organization("Parent", funded=1_000_000, now=self.begun)
        self.big = self._busy("Big", rows, PEOPLE)
        for number in range(OTHERS):
            self._busy(f"Other {number}", 300, 20)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            children = id_of("children", self.parent)
            multiply(self.big, PEOPLE, id=children)
            wallet, wallets = f.wallet_of(self.big), id_of("wallets", self.parent)
            of_children = {"id": wallets, "organization_id": children, "period_id": "NULL"}
            multiply(wallet, PEOPLE, **of_children)
            multiply(f.periods_of(self.big)[-1], PEOPLE, wallet_id=wallets)
            cursor.execute(
                "UPDATE credits_wallet w SET period_id = p.id FROM credits_billingperiod p"
                " WHERE p.wallet_id = w.id AND w.period_id IS NULL"
            )
            cursor.execute("SET session_replication_role = origin")
            cursor.execute("ANALYZE")

    def _busy(self, name: str, rows: int, people: int) -> Organization:
        """Make an organization in which everything happened once, and then again and again."""
        one = f.make_organization(name, parent=self.parent, now=self.begun, allowance=1_000)
        f.allocate(one, 1_000, now=self.begun, reference=f"order of {name}")
        f.grant(one, 500, now=self.begun, reference=f"payment of {name}")
        f.adjust(one, 5, now=self.begun)
        ada = p.make_actor(one, "Ada", now=self.begun, external_id="ada")
        p.make_actor(one, "Robot", now=self.begun, kind="agent", active=False)
        p.make_actor(one, "Idle", now=self.begun, external_id="idle")
        p.make_group(one, "sales", ada)
        p.make_group(one, "atlas", ada, kind="entity")
        p.limit(one, 5_000, Limit.Scope.ACTOR, actor=ada)
        p.limit(
            one, 5_000, Limit.Scope.GROUP, group=Group.objects.get(organization=one, key="atlas")
        )
        p.limit(
            one, 5_000, Limit.Scope.GROUP, group=Group.objects.get(organization=one, key="sales")
        )
        p.limit(one, None, Limit.Scope.RESOURCE, resource_type="app", resource_id="app 1")
        p.limit(one, 5_000, Limit.Scope.RESOURCE, resource_type="app", resource_id="app 2")
        p.thresholds(one, downgrade=10_000_000, shutoff=20_000_000)
        self._work(one, ada)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            self._multiply_work(one, rows)
            self._multiply_people(one, ada, people)
            cursor.execute("SET session_replication_role = origin")
        return one

    def _work(self, one: Organization, ada: Actor) -> None:
        """Do work of every kind, and leave some under way."""
        resource = {"resource_type": "app", "resource_id": "app 1"}
        model = AIModel.objects.get(slug="sonnet")
        for now in (self.begun, self.now):
            p.use(p.work(one, 2, actor=ada, model=model, **resource), 1, now=now)
        hold = f.reserve(one, 3, now=self.now, metadata={"projectId": "p-1"})
        f.reverse(
            LedgerEntry.objects.get(reservation=f.settle(hold, 3, now=self.now)), now=self.now
        )
        told = services.Told(source="jobs", id="job-1", occurred_at=self.now, credits=Decimal(1))
        services.record(organization=one, told=[told], performed_by=f.KEY, now=self.now)
        p.hold(p.work(one, 1, actor=ada), now=self.now)
        rollups.roll_up(organization=one, now=self.now)

    def _multiply_work(self, one: Organization, rows: int) -> None:
        wallet = f.wallet_of(one)
        hold = Reservation.objects.filter(wallet=wallet, status="settled").earliest("id")
        entry = LedgerEntry.objects.get(reservation=hold)
        at = f"timestamptz '{self.begun.isoformat()}' + n * interval '{DAYS * 86_400 / rows} seconds'"
        holds, entries = id_of("holds", one), id_of("entries", one)
        multiply(
            hold,
            rows,
            id=holds,
            created_at=at,
            expires_at=f"{at} + interval '15 minutes'",
            closed_at=at,
        )
        multiply(
            entry,
            rows,
            id=entries,
            posted_at=at,
            number=f"{wallet.head_number} + n",
            reservation_id=holds,
        )
        multiply(GrantDraw.objects.get(entry=entry), rows, entry_id=entries)
        prepaid = Grant.objects.get(wallet=wallet, source="grant")
        later = "t.created_at + n * interval '1 second'"
        multiply(prepaid, rows // 20, id=id_of("grants", one), created_at=later)
        multiply(prepaid, rows // 5, id=id_of("spent", one), created_at=later, remaining="0")
        multiply(
            UsageEvent.objects.get(reservation=hold),
            rows,
            id=id_of("events", one),
            occurred_at=at,
            created_at=at,
            position=f"{wallet.event_position} + n",
            reservation_id=holds,
            external_id="'copy ' || n",
        )
        Wallet.objects.filter(pk=wallet.pk).update(
            head_number=wallet.head_number + rows, event_position=wallet.event_position + rows
        )
        RollupMark.objects.filter(organization=one).update(
            position=wallet.event_position + rows - min(rows, TAIL)
        )
        counters = UsageCounter.objects.filter(wallet=wallet, resource_type="app")
        multiply(counters.latest("month"), rows, resource_id="'copied app ' || n")
        of_apps = UsageRollup.objects.filter(organization=one, resource_type="app")
        multiply(
            of_apps.latest("day"),
            rows,
            day=f"date '{self.begun.date()}' + n %% {DAYS}",
            resource_id=f"'copied app ' || n / {DAYS}",
        )
        UsageTotal.objects.filter(organization=one).delete()
        with connection.cursor() as cursor:
            mine = "(SELECT * FROM usage_usagerollup WHERE organization_id = %s)"
            cursor.execute(rollups.add_totals(mine), [one.pk])
            cursor.execute("DELETE FROM usage_monthlyuse WHERE organization_id = %s", [one.pk])
            cursor.execute(rollups.add_months(mine), [one.pk])

    def _multiply_people(self, one: Organization, ada: Actor, people: int) -> None:
        actors = id_of("actors", one)
        multiply(ada, people, id=actors, external_id="'copied ' || n")
        multiply(Membership.objects.get(actor=ada, kind="team"), people, actor_id=actors)
        for group in Group.objects.filter(organization=one):
            kind = f"{group.kind} groups"
            multiply(group, people, id=id_of(kind, one), key="'copied ' || n")
            multiply(
                Limit.objects.get(group=group),
                people,
                id=id_of(f"limits of {kind}", one),
                group_id=id_of(kind, one),
            )
        multiply(
            Limit.objects.get(actor=ada), people, id=id_of("limits of actors", one), actor_id=actors
        )
        for resource in ("app 1", "app 2"):
            limit = Limit.objects.get(organization=one, resource_id=resource)
            multiply(
                limit,
                people,
                id=id_of(f"limits of {resource}", one),
                resource_id=f"'{resource}, copy ' || n",
            )
