"""Credits that come in, go out by hand, and move between a parent and its child."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from credits import ledger
from credits.ledger import InsufficientCredits, Lot, Note
from credits.models import MAX_AMOUNT, ZERO, Grant, LedgerEntry, Reference, Wallet
from credits.services.calendar import CALENDAR
from credits.services.ending import expire_due, reclaim_if_archived
from credits.services.locking import (
    is_archived,
    lock,
    lock_family,
    require_not_archived,
)
from credits.services.references import earlier
from organizations.models import Organization
from organizations.services import require_active, status_in_force

Kind = LedgerEntry.Kind
Namespace = Reference.Namespace
logger = logging.getLogger(__name__)


class InvalidAmount(Exception):
    """The amount is not one that this command may move."""


class InvalidExpiry(Exception):
    """Credits cannot expire before they are there."""


class RechargeLimitReached(Exception):
    """The organization may not buy that much more in this billing period."""


class NotARoot(Exception):
    """Only an organization without a parent may do this: a parent pays for its children."""


def require_positive(amount: Decimal) -> None:
    """Refuse an amount that nobody grants.

    :raises InvalidAmount: if it is not positive, or too large
    """
    if not 0 < amount <= MAX_AMOUNT:
        raise InvalidAmount(f"more than 0 and at most {MAX_AMOUNT:f} expected, {amount:f} given")


@transaction.atomic(savepoint=False)
def grant(
    *,
    organization: Organization,
    amount: Decimal,
    reason: str,
    performed_by: str,
    now: datetime,
    expires_at: datetime | None = None,
    priority: int = 50,
    reference: str = "",
    name: str = "",
    category: str = Grant.Category.PROMOTIONAL,
) -> LedgerEntry:
    """Give credits to an organization.

    :param name: what staff call it
    :param category: what the credits are to the business; it decides nothing
    :param reference: of the payment or order behind it: used again for the same, it returns the first entry
    :raises InvalidAmount: if the amount is not positive, or too large
    :raises InvalidExpiry: if the credits would have expired already
    :raises ReferenceTaken: if the reference means something else
    :raises OrganizationArchived: if the organization is archived
    """
    require_positive(amount)
    wallet, _ = lock(organization, now=now)

    def is_same(entry: LedgerEntry) -> bool:
        lots = entry.grants.filter(expires_at=expires_at, priority=priority, category=category)
        return (entry.kind, entry.amount) == (Kind.GRANT, amount) and lots.exists()

    done = earlier(wallet, Namespace.RECEIVED, reference, is_same=is_same)
    if done is not None:
        return done
    if expires_at is not None and expires_at <= now:
        raise InvalidExpiry(f"expires {expires_at:%Y-%m-%d %H:%M} UTC, which has passed")
    require_not_archived(wallet.organization)
    lot = Lot(
        amount,
        Grant.Source.GRANT,
        expires_at=expires_at,
        priority=priority,
        name=name,
        category=category,
    )
    note = Note(performed_by, now, reason, reference=reference)
    return ledger.fund(wallet, [lot], kind=Kind.GRANT, note=note)


@transaction.atomic(savepoint=False)
def adjust(
    *,
    organization: Organization,
    amount: Decimal,
    reason: str,
    performed_by: str,
    now: datetime,
    from_grant: Grant | None = None,
    into_debt: bool = False,
    reference: str = "",
) -> LedgerEntry:
    """Correct a balance, up or down, with a reason. Also what ends an archived wallet's debt.

    :param from_grant: of the organization's own, for credits that are taken away: which they are taken from
    :param into_debt: take away also what it has not, or what holds need: from that grant, then the other prepaid credits, then the
        allowance, then as debt
    :param reference: of the payment behind it, or of what is taken back: used again for the same, it returns the first entry
    :raises InvalidAmount: if the amount is 0, or too large; or positive, and a grant to take it from is named
    :raises ReferenceTaken: if the reference means something else
    :raises InsufficientCredits: if it would take away more than is available, or than remains of the grant
    """
    require_positive(abs(amount))
    if amount > 0 and (from_grant is not None or into_debt):
        raise InvalidAmount(f"less than 0 expected where credits are taken away, {amount:f} given")
    wallet, parent = lock(organization, now=now, needs_parent=is_archived)

    def is_same(entry: LedgerEntry) -> bool:
        is_from_it = from_grant is None or _took_first_from(from_grant, entry)
        return (entry.kind, entry.amount) == (Kind.ADJUST, amount) and is_from_it

    namespace = Namespace.RECEIVED if amount > 0 else Namespace.TAKEN_BACK
    done = earlier(wallet, namespace, reference, is_same=is_same)
    if done is not None:
        return done
    note = Note(performed_by, now, reason, reference=reference)
    if amount > 0:
        lot = Lot(amount, Grant.Source.ADJUSTMENT)
        entry = ledger.fund(wallet, [lot], kind=Kind.ADJUST, note=note)
    else:
        require_available(wallet, -amount, into_debt=into_debt, now=now)
        entry = _take_away(wallet, -amount, from_grant, into_debt=into_debt, note=note)
    reclaim_if_archived(wallet, parent, now=now)
    return entry


def require_available(wallet: Wallet, amount: Decimal, *, into_debt: bool, now: datetime) -> None:
    """Refuse to take away what a wallet has not, or what its open holds need, unless that may go into debt.

    :raises InsufficientCredits: if it is more than is available
    """
    if into_debt:
        return
    if amount > wallet.available:
        expire_due(wallet, now=now)
    if amount > wallet.available:
        raise InsufficientCredits(f"{wallet.available:f} available, {amount:f} needed")


def _take_away(
    wallet: Wallet, amount: Decimal, grant: Grant | None, *, into_debt: bool, note: Note
) -> LedgerEntry:
    """Take credits away: from a grant if one is named, else in the order in which work would draw them."""
    named = [] if grant is None else [wallet.grants.get(pk=grant.pk)]
    if named and not into_debt and ledger.remaining(named) < amount:
        raise InsufficientCredits(
            f"{ledger.remaining(named):f} remain of that grant, {amount:f} needed"
        )
    if named or into_debt:
        draws = ledger.taken_from(wallet, named, amount)
    else:
        draws = ledger.take(ledger.live_grants(wallet), amount)
    return ledger.draw(wallet, draws, kind=Kind.ADJUST, note=note, amount=amount)


def _took_first_from(grant: Grant, entry: LedgerEntry) -> bool:
    """Whether an entry took from a grant, or would have, had there been something left in it: a chargeback comes when all is spent."""
    if entry.draws.filter(grant=grant).exists():
        return True
    before = grant.draws.filter(entry__number__lt=entry.number)
    is_empty = not before.aggregate(remaining=Sum("amount", default=ZERO))["remaining"]
    return grant.entry.number < entry.number and is_empty


@transaction.atomic(savepoint=False)
def recharge(
    *,
    organization: Organization,
    amount: Decimal,
    performed_by: str,
    now: datetime,
    reason: str = "",
    reference: str = "",
) -> LedgerEntry:
    """Buy credits that do not expire, up to the organization's recharge limit per billing period.

    :param reference: of the payment: used again for the same, it returns the first entry
    :raises NotARoot: if the organization has a parent
    :raises InvalidAmount: if the amount is not positive, or too large
    :raises ReferenceTaken: if the reference means something else
    :raises RechargeLimitReached: if this and the period's other recharges would exceed the limit
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    if organization.parent_id is not None:
        raise NotARoot(f"{organization.public_id} is funded by its parent")
    require_positive(amount)
    wallet, _ = lock(organization, now=now)

    def is_same(entry: LedgerEntry) -> bool:
        return (entry.kind, entry.amount) == (Kind.RECHARGE, amount)

    done = earlier(wallet, Namespace.RECEIVED, reference, is_same=is_same)
    if done is not None:
        return done
    require_active(wallet.organization)
    _require_below_recharge_limit(wallet, amount)
    return ledger.recharge(
        wallet, amount, note=Note(performed_by, now, reason, reference=reference)
    )


def _require_below_recharge_limit(wallet: Wallet, amount: Decimal) -> None:
    already, limit = ledger.open_period(wallet).recharged, wallet.config.recharge_limit
    if already + amount > limit:
        raise RechargeLimitReached(f"{already:f} of {limit:f} recharged, {amount:f} more asked for")


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


def refill(wallet: Wallet, parent: Wallet, *, now: datetime) -> bool:
    """Move exactly the refill amount to a child, or nothing. Both wallets are locked.

    A success starts the cooldown. A refusal, because the parent is short, is noted once per cooldown and keeps nobody from trying
    again.
    """
    amount = wallet.config.refill_amount
    if amount is None:
        return False
    cooldown_ends_at = now + wallet.config.refill_cooldown
    if amount > parent.transferable:
        expire_due(parent, now=now)
    if amount > parent.transferable:
        _note_refusal(wallet, retry_at=cooldown_ends_at, now=now)
        return False
    ledger.transfer(parent, wallet, amount, kind=Kind.REFILL, note=Note(CALENDAR, now))
    wallet.refill_cooldown_ends_at = cooldown_ends_at
    wallet.refill_retry_at = None
    wallet.save(update_fields=["refill_cooldown_ends_at", "refill_retry_at"])
    return True


def _note_refusal(wallet: Wallet, *, retry_at: datetime, now: datetime) -> None:
    if wallet.refill_retry_at is not None and now < wallet.refill_retry_at:
        return
    wallet.refill_retry_at = retry_at
    wallet.save(update_fields=["refill_retry_at"])
    logger.warning("refill refused: the parent of %s is short", wallet.organization.public_id)


@transaction.atomic(savepoint=False)
def end_refill_cooldown(*, organization: Organization, now: datetime) -> bool:
    """End a cooldown that is over, and try again where the parent was short. True if it refilled.

    Only where the last attempt was refused: an idle child never drains its parent. Never for a child that is over its cap.
    """
    wallet, parent = lock(
        organization,
        now=now,
        needs_parent=lambda wallet: _may_retry(wallet, now=now),
    )
    if wallet.refill_cooldown_ends_at is not None and wallet.refill_cooldown_ends_at <= now:
        wallet.refill_cooldown_ends_at = None
        wallet.save(update_fields=["refill_cooldown_ends_at"])
    if parent is not None:  # a hold whose time has passed is no reason to refill, nor against it
        expire_due(wallet, now=now)
    if parent is not None and _may_retry(wallet, now=now) and _is_under_its_cap(wallet):
        return refill(wallet, parent, now=now)
    _forget_refusal(wallet, now=now)
    return False


def _may_retry(wallet: Wallet, *, now: datetime) -> bool:
    retry_at = wallet.refill_retry_at
    if retry_at is None or retry_at > now:
        return False
    is_active = status_in_force(wallet.organization) == Organization.Status.ACTIVE
    return is_active and _is_due(wallet, now=now)


def _is_due(wallet: Wallet, *, now: datetime) -> bool:
    """Whether the refill rule would fire for a request that needs nothing: the admission knows."""
    organization = wallet.organization
    nothing = ledger.Wanted(
        organization.id,
        now,
        [ledger.Candidate(ZERO)],
        parent_id=organization.parent_id,
        kind="check",
    )
    return ledger.hold(nothing).outcome == "refill"


def _is_under_its_cap(wallet: Wallet) -> bool:
    period = ledger.open_period(wallet)
    cap = wallet.config.monthly_cap
    return cap is None or period.used + period.reserved < cap


def _forget_refusal(wallet: Wallet, *, now: datetime) -> None:
    """A refusal whose time has come, and that no longer matters, is not looked at every minute."""
    if wallet.refill_retry_at is not None and wallet.refill_retry_at <= now:
        wallet.refill_retry_at = None
        wallet.save(update_fields=["refill_retry_at"])
