"""Grants that begin later: made now, live by the calendar, and cancelled as long as they are pending."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from credits.models import Grant, LedgerEntry, PendingGrant, Reference, Wallet
from credits.services.corrections import void
from credits.services.funding import InvalidExpiry, require_positive
from credits.services.locking import lock, require_not_archived
from credits.services.references import ReferenceTaken, earlier
from organizations.models import Organization


class InvalidStart(Exception):
    """Credits that are pending begin in the future, and not too far."""


class NotPending(Exception):
    """The grant has begun, or was cancelled: the message says which."""


@transaction.atomic(savepoint=False)
def schedule_grant(
    *,
    organization: Organization,
    amount: Decimal,
    effective_at: datetime,
    reason: str,
    performed_by: str,
    now: datetime,
    expires_at: datetime | None = None,
    priority: int = 50,
    reference: str = "",
    name: str = "",
    category: str = Grant.Category.PROMOTIONAL,
) -> tuple[PendingGrant, bool]:
    """Give credits to an organization from a moment on. Until then they are no part of its balance.

    :param reference: of the payment or order behind it: used again for the same, it returns the first
    :returns: what is pending, and whether it was there before
    :raises InvalidAmount: if the amount is not positive, or too large
    :raises InvalidStart: if it would begin now, or before
    :raises InvalidExpiry: if the credits would expire before they begin
    :raises ReferenceTaken: if the reference means something else
    :raises OrganizationArchived: if the organization is archived
    """
    require_positive(amount)
    wallet, _ = lock(organization, now=now)
    asked = PendingGrant(
        wallet=wallet,
        amount=amount,
        name=name,
        category=category,
        priority=priority,
        effective_at=effective_at,
        expires_at=expires_at,
        reference=reference,
        reason=reason,
        performed_by=performed_by,
        created_at=now,
    )
    done = _before(asked)
    if done is not None:
        return done, True
    if effective_at <= now:
        raise InvalidStart(
            f"begins {effective_at:%Y-%m-%d %H:%M} UTC, which has passed: leave it out for now"
        )
    if expires_at is not None and expires_at <= effective_at:
        raise InvalidExpiry(f"expires {expires_at:%Y-%m-%d %H:%M} UTC, before it begins")
    require_not_archived(wallet.organization)
    asked.save(force_insert=True)
    _look_at(wallet, effective_at)
    return asked, False


_TERMS = ("amount", "category", "priority", "effective_at", "expires_at")
"""What a reference stands for: the words beside it may differ."""


def _before(asked: PendingGrant) -> PendingGrant | None:
    """Return the pending grant that a reference means already; None if it is free.

    :raises ReferenceTaken: if it means something else
    """
    if not asked.reference:
        return None
    done = PendingGrant.objects.filter(wallet=asked.wallet, reference=asked.reference).first()
    if done is not None:
        if all(getattr(done, term) == getattr(asked, term) for term in _TERMS):
            return done
        raise ReferenceTaken(f"reference {asked.reference} is that of {done.public_id}: {done}")

    def is_same(entry: LedgerEntry) -> bool:
        return False

    earlier(asked.wallet, Reference.Namespace.RECEIVED, asked.reference, is_same=is_same)
    return None


def _look_at(wallet: Wallet, moment: datetime) -> None:
    """Let the calendar look at a locked wallet when this moment has come."""
    if wallet.lapse_at is None or moment < wallet.lapse_at:
        wallet.lapse_at = moment
        wallet.save(update_fields=["lapse_at"])


@transaction.atomic(savepoint=False)
def cancel_grant(
    *, pending: PendingGrant, reason: str, performed_by: str, now: datetime
) -> PendingGrant:
    """Cancel a grant that has not begun: no credits come, and its reference stays taken.

    :raises NotPending: if it has begun, or was cancelled
    """
    lock(pending.wallet.organization, now=now)
    current = PendingGrant.objects.select_related("wallet__organization").get(pk=pending.pk)
    if current.begun_at is not None:
        raise NotPending(f"it began {current.begun_at:%Y-%m-%d %H:%M} UTC: void the rest of it")
    if current.cancelled_at is not None:
        raise NotPending(f"it was cancelled {current.cancelled_at:%Y-%m-%d %H:%M} UTC")
    _cancel(current, reason, performed_by, now)
    return current


def cancel_all(wallet: Wallet, *, reason: str, performed_by: str, now: datetime) -> None:
    """Cancel all that is to come to a locked wallet."""
    for each in PendingGrant.objects.filter(wallet=wallet, begun_at=None, cancelled_at=None):
        _cancel(each, reason, performed_by, now)


def _cancel(pending: PendingGrant, reason: str, performed_by: str, now: datetime) -> None:
    pending.cancelled_at, pending.cancelled_by = now, performed_by
    pending.cancelled_because = reason
    pending.save(update_fields=["cancelled_at", "cancelled_by", "cancelled_because"])


def find_grant(organization: Organization, id: UUID) -> Grant | PendingGrant:
    """Return a grant of an organization, also one that has yet to begin.

    :raises Grant.DoesNotExist: if it has none of this id
    """
    grants = Grant.objects.select_related("entry__wallet__organization")
    found = grants.filter(wallet__organization=organization, pk=id).first()
    if found is not None:
        return found
    pending = PendingGrant.objects.select_related("wallet__organization")
    coming = pending.filter(wallet__organization=organization, pk=id).first()
    if coming is None:
        raise Grant.DoesNotExist(f"{organization.public_id} has no such grant")
    return coming


@transaction.atomic(savepoint=False)
def void_any(
    *,
    grant: Grant | PendingGrant,
    reason: str,
    performed_by: str,
    now: datetime,
    reference: str = "",
) -> LedgerEntry | None:
    """Take back the rest of a grant, or cancel it if it has not begun. Returns the entry that took it back, if there is one.

    :raises NothingLeft: if nothing remains of it
    :raises NotPending: if it was cancelled before
    :raises ReferenceTaken: if the reference means something else
    """
    if isinstance(grant, PendingGrant):
        lock(grant.wallet.organization, now=now)
        # It may have begun by now, with this very lock.
        grant = find_grant(grant.wallet.organization, grant.pk)
    if isinstance(grant, Grant):
        by = {"reason": reason, "performed_by": performed_by}
        return void(grant=grant, now=now, reference=reference, **by)
    cancel_grant(pending=grant, reason=reason, performed_by=performed_by, now=now)
    return None
