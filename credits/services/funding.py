"""Credits that come in, and go out by hand."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from credits import ledger
from credits.ledger import InsufficientCredits, Lot, Note
from credits.models import MAX_AMOUNT, ZERO, Grant, LedgerEntry, Reference, Wallet
from credits.services.ending import expire_due, reclaim_if_archived
from credits.services.locking import (
    is_archived,
    lock,
    require_not_archived,
)
from credits.services.references import earlier
from organizations.models import Organization
from organizations.services import require_active

Kind = LedgerEntry.Kind
Namespace = Reference.Namespace


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
