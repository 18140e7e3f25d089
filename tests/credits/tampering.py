"""A small world with every kind of entry, and a way to change it behind the ledger's back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from django.db import connection, transaction

from credits.ledger import HASH
from credits.models import LedgerEntry, Reservation
from organizations.models import Organization
from tests.factories import (
    adjust,
    allocate,
    archive,
    at,
    charge_again,
    expire,
    grant,
    later,
    make_organization,
    move_reference,
    recharge,
    reclaim,
    renew,
    reserve,
    reverse,
    settle,
)


def make_world() -> tuple[Organization, Organization]:
    """Return a parent and its child, between them with every kind of entry, two periods, debt once, and holds in every state."""
    parent = make_organization("Harbour Reseller", funded=1_000, recharge_limit=100)
    child = make_organization(
        parent=parent, allowance=100, rollover_limit=10, refill_threshold=5, refill_amount=20
    )
    bought = recharge(parent, 50, reference="pay-1")
    adjust(parent, -5, reference="pay-1")
    allocate(child, 40, reference="order-1")
    move_reference(bought, "pay-1-void")
    grant(parent, 30, expires_at=later(days=2), priority=7)
    settle(reserve(child, 138), 160, now=later(minutes=1))
    adjust(child, 12, now=later(minutes=2))
    reserve(child, 1, now=later(minutes=10))
    expire(child, now=later(hours=1))
    reserve(child, 2, now=at("2026-05-31 23:50"), ttl=timedelta(days=1))
    renew(child, now=at("2026-06-01"))
    renew(parent, now=at("2026-06-01"))
    sibling = make_organization("Old Quay", parent=parent, now=at("2026-06-01"))
    allocate(sibling, 10, now=at("2026-06-01"))
    reclaim(sibling, 4, now=at("2026-06-02"))
    archive(sibling, now=at("2026-06-02"))
    settle(reserve(child, 3, now=at("2026-06-02")), 2, now=at("2026-06-02"))
    make_corrections(parent, child)
    return parent, child


def make_corrections(parent: Organization, child: Organization) -> None:
    """Take back a gift, a transfer, and work: some of it for good, some to charge it again."""
    now = at("2026-06-03")
    gift = grant(parent, 8, now=now)
    reverse(gift, amount=Decimal(3), now=now)
    reverse(gift, now=now)
    sent, _ = allocate(child, 6, now=now)
    reverse(sent, now=now)
    reverse(charge_of(settle(reserve(child, 2, now=now), 2, now=now)), now=now)
    work = settle(reserve(child, 3, now=now), 3, now=now)
    charge_again(charge_of(work), 4, now=now)


def charge_of(work: Reservation) -> LedgerEntry:
    """Return the entry that charged a hold."""
    return LedgerEntry.objects.get(reservation=work, kind="settle", reverses=None)


def hash_of(entry: LedgerEntry, **changes: str) -> bytes:
    """Return the hash that an entry has by what its row says, or would have with other values (in SQL)."""
    sql = HASH
    for column, value in changes.items():
        sql = sql.replace(f"e.{column}", value)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql} FROM credits_ledgerentry e WHERE id = %s", [entry.pk])
        return bytes(cursor.fetchone()[0])


def tamper(sql: str) -> int:
    """Run a statement as somebody who may switch triggers and foreign keys off. Returns how many rows it changed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        return int(cursor.rowcount)


@contextmanager
def tampered(sql: str) -> Iterator[int]:
    """Show the world as it is after such a statement, then undo it."""
    with transaction.atomic():
        yield tamper(sql)
        transaction.set_rollback(True)
