"""Prepaid credits that move between a parent and its child, by hand."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from credits import ledger
from credits.ledger import InsufficientCredits, Note
from credits.models import LedgerEntry, Reference
from credits.services.ending import expire_due
from credits.services.funding import InvalidExpiry, require_positive
from credits.services.locking import (
    lock_family,
    require_not_archived,
)
from credits.services.references import earlier
from organizations.models import Organization
from organizations.services import require_active

Kind = LedgerEntry.Kind
Namespace = Reference.Namespace


@transaction.atomic(savepoint=False)
def allocate(
    *,
    child: Organization,
    amount: Decimal,
    performed_by: str,
    now: datetime,
    description: str = "",
    metadata: dict[str, Any] | None = None,
    reference: str = "",
    expires_at: datetime | None = None,
) -> tuple[LedgerEntry, LedgerEntry]:
    """Move prepaid credits that no open hold needs from a parent to its child.

    :param expires_at: when they end at the latest; what ends sooner at the parent ends then
    :param reference: of the parent's order: used again for the same child and amount, it returns the first entries
    :returns: the entry of the parent and that of the child
    :raises InvalidAmount: if the amount is not positive, or too large
    :raises ReferenceTaken: if the reference means another allocation of the parent
    :raises InvalidExpiry: if they would have expired already
    :raises InsufficientCredits: if the parent has less than that transferable
    :raises OrganizationSuspended: if the parent is suspended
    :raises OrganizationArchived: if the parent or the child is archived
    """
    require_positive(amount)
    wallet, parent = lock_family(child, now=now)

    def is_same(entry: LedgerEntry) -> bool:
        return entry.amount == -amount and _other_side(entry).wallet_id == wallet.pk

    done = earlier(parent, Namespace.ALLOCATED, reference, is_same=is_same)
    if done is not None:
        received = _other_side(done)
        received.replayed = True
        return done, received
    if expires_at is not None and expires_at <= now:
        raise InvalidExpiry(f"expires {expires_at:%Y-%m-%d %H:%M} UTC, which has passed")
    require_active(parent.organization)
    require_not_archived(wallet.organization)
    if amount > parent.transferable:
        expire_due(parent, now=now)
    note = Note(performed_by, now, description, metadata or {}, reference)
    return ledger.transfer(
        parent, wallet, amount, kind=Kind.ALLOCATE, note=note, expires_at=expires_at
    )


@transaction.atomic(savepoint=False)
def reclaim_from_child(
    *,
    child: Organization,
    performed_by: str,
    now: datetime,
    amount: Decimal | None = None,
    description: str = "",
    metadata: dict[str, Any] | None = None,
    reference: str = "",
) -> tuple[LedgerEntry, LedgerEntry]:
    """Move prepaid credits that no open hold needs from a child back to its parent; they keep their priority and expiry.

    :param amount: how much; unless said, all that may leave the child: its allowance and what its holds need stay
    :param reference: of what is taken back: used again for the same child and amount, it returns the first entries
    :returns: the entry of the child and that of the parent
    :raises InvalidAmount: if the amount is not positive, or too large
    :raises ReferenceTaken: if the reference means something else that was taken back, from the parent or from the child
    :raises InsufficientCredits: if the child has less than that transferable, or nothing
    :raises OrganizationSuspended: if the parent is suspended
    :raises OrganizationArchived: if the parent or the child is archived
    """
    if amount is not None:
        require_positive(amount)
    wallet, parent = lock_family(child, now=now)

    def is_same(entry: LedgerEntry) -> bool:
        if entry.kind != Kind.RECLAIM or wallet.pk not in (
            entry.wallet_id,
            _other_side(entry).wallet_id,
        ):
            return False
        return amount is None or abs(entry.amount) == amount

    for side in (parent, wallet):
        done = earlier(side, Namespace.TAKEN_BACK, reference, is_same=is_same)
        if done is not None:
            other = _other_side(done)
            other.replayed = True
            return (other, done) if side is parent else (done, other)
    require_active(parent.organization)
    require_not_archived(wallet.organization)
    if amount is None or amount > wallet.transferable:
        expire_due(wallet, now=now)
    going = wallet.transferable if amount is None else amount
    if not going:
        raise InsufficientCredits("0 transferable: there is nothing to take back")
    note = Note(performed_by, now, description, metadata or {}, reference)
    return ledger.transfer(wallet, parent, going, kind=Kind.RECLAIM, note=note)


def _other_side(sent: LedgerEntry) -> LedgerEntry:
    return LedgerEntry.objects.exclude(pk=sent.pk).get(transfer_id=sent.transfer_id)
