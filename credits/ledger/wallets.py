"""Wallets under their locks, and the grants that live in them."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.transaction import TransactionManagementError

from credits.models import BillingPeriod, CreditConfig, Grant, Wallet
from organizations.models import Organization
from organizations.statements import Columns, fetch_all, fetch_one, relate

_LOCK = "SELECT id FROM credits_wallet WHERE organization_id = %s FOR NO KEY UPDATE"

_COUNT_EVENTS = """
    UPDATE credits_wallet SET event_position = event_position + %s WHERE id = %s RETURNING event_position"""

_READ: list[Columns[Any]] = [
    Columns(Wallet, "w"),
    Columns(CreditConfig, "config"),
    Columns(BillingPeriod, "period"),
    *(Columns(Organization, alias, without=["metadata"]) for alias in ("o", "parent")),
]
_READ_ALL = f"""
    SELECT {", ".join(each.sql for each in _READ)}
    FROM {Wallet._meta.db_table} w
        JOIN {Organization._meta.db_table} o ON o.id = w.organization_id
        LEFT JOIN {Organization._meta.db_table} parent ON parent.id = o.parent_id
        LEFT JOIN {CreditConfig._meta.db_table} config ON config.wallet_id = w.id
        LEFT JOIN {BillingPeriod._meta.db_table} period ON period.id = w.period_id
    WHERE w.organization_id = ANY(%s::uuid[])"""


def lock(*organization_ids: UUID) -> list[Wallet]:
    """Lock the wallets of these organizations, in this order, and return them as they are now.

    The order is parent before child, always; that is what makes a deadlock impossible. `FOR NO KEY UPDATE`, because inserting an
    entry takes a share lock on its wallet's key: a full `FOR UPDATE` would wait for everybody else's inserts, and they for it.

    :raises Wallet.DoesNotExist: if an organization has none
    """
    for organization_id in organization_ids:
        lock_row(organization_id)
    wallets = _locked(organization_ids)
    return [wallets[organization_id] for organization_id in organization_ids]


def lock_row(organization_id: UUID) -> UUID:
    """Lock the wallet of an organization for whoever reads of it what it needs, and return its id.

    :raises Wallet.DoesNotExist: if it has none
    :raises TransactionManagementError: outside of a transaction, where a lock lasts for no time
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("a lock needs a transaction")
    row = fetch_one(_LOCK, [organization_id])
    if row is None:
        raise Wallet.DoesNotExist(f"organization {organization_id} has no wallet")
    wallet_id: UUID = row[0]
    return wallet_id


def lock_all(organization_ids: Collection[UUID]) -> None:
    """Lock the wallets of these organizations in the order in which everybody takes several: those of parents first, then by id."""
    rows = Wallet.objects.select_for_update(no_key=True, of=("self",))
    wanted = rows.filter(organization_id__in=organization_ids)
    is_child = ExpressionWrapper(Q(organization__parent__isnull=False), BooleanField())
    list(wanted.order_by(is_child, "id").values_list("id", flat=True))


def lock_children(parent_id: UUID) -> None:
    """Lock the wallets of all children of an organization, whose own wallet is locked already.

    Whatever was under way on one of them has ended then, and what comes next waits for this transaction, and reads what it wrote.
    """
    children = Wallet.objects.select_for_update(no_key=True, of=("self",))
    of_parent = children.filter(organization__parent_id=parent_id).order_by("id")
    list(of_parent.values_list("id", flat=True))


def lock_idle(organization_ids: Collection[UUID]) -> list[Wallet]:
    """Lock those wallets of these organizations that nobody else has locked, and return them as they are now.

    It waits for none. So it may take many, in whatever order: who waits for nobody is in no deadlock.
    """
    rows = Wallet.objects.select_for_update(no_key=True, skip_locked=True)
    idle = rows.filter(organization_id__in=organization_ids)
    wallets = _locked(idle.values_list("organization_id", flat=True))
    return list(wallets.values())


def _locked(organization_ids: Iterable[UUID]) -> dict[UUID, Wallet]:
    """Read wallets whose locks are held, and only now: a row that is joined to a locked one is as old as the statement."""
    found: dict[UUID, Wallet] = {}
    for row in fetch_all(_READ_ALL, [list(organization_ids)]):
        values = iter(row)
        wallet, config, period, organization, parent = (each.take(values) for each in _READ)
        assert wallet is not None
        relate(organization, parent=parent, wallet=wallet)
        relate(config, wallet=wallet)
        relate(wallet, config=config, period=period, organization=organization)
        found[wallet.organization_id] = wallet
    return found


def number_events(wallet: Wallet, count: int) -> range:
    """Return the positions of the next usage events of a locked wallet's organization: one behind the other, and no gap before them.

    The row counts, and not the object, which somebody may have read before the lock.
    """
    if not count:
        return range(0)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_EVENTS, [count, wallet.pk])
        (wallet.event_position,) = cursor.fetchone()
    return range(wallet.event_position - count + 1, wallet.event_position + 1)


def open_period(wallet: Wallet) -> BillingPeriod:
    """Return the billing period that is open now: every wallet has one, from its creation on."""
    if wallet.period is None:
        raise BillingPeriod.DoesNotExist(f"wallet {wallet.id} has no open billing period")
    return wallet.period


def live_grants(*wallets: Wallet) -> list[Grant]:
    """Return the grants of these wallets that still hold something, in the order in which they are drawn.

    Lowest priority number, then soonest expiry, then oldest.
    """
    grants = Grant.objects.filter(wallet__in=wallets, live=True)
    return list(grants.order_by("priority", "expires_at", "created_at", "id"))
