"""A small world with every kind of entry, and a way to change it behind the ledger's back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction

from organizations.models import Organization
from tests.factories import (
    adjust,
    allocate,
    archive,
    at,
    expire,
    grant,
    later,
    make_organization,
    recharge,
    renew,
    reserve,
    settle,
)


def make_world() -> tuple[Organization, Organization]:
    """Return a parent and its child, between them with every kind of entry, two periods, debt once, and holds in every state."""
    parent = make_organization("Harbour Reseller", funded=1_000, recharge_limit=100)
    child = make_organization(
        parent=parent, allowance=100, rollover_limit=10, refill_threshold=5, refill_amount=20
    )
    recharge(parent, 50)
    adjust(parent, -5)
    allocate(child, 40)
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
    archive(sibling, now=at("2026-06-02"))
    settle(reserve(child, 3, now=at("2026-06-02")), 2, now=at("2026-06-02"))
    return parent, child


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
