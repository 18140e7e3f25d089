"""The one door through which credits move.

Nothing else writes a wallet's balance, its reserved credits, what remains of a grant, or an entry. Every function here is called
inside a transaction, with the wallets locked by `lock`, and does all of its work or raises. It decides nothing: it is told ids and
amounts, and refuses what would be impossible.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Min

from credits.models import (
    ZERO,
    BillingPeriod,
    Grant,
    GrantDraw,
    LedgerEntry,
    Reservation,
    UsageCounter,
    Wallet,
)
from organizations.ids import new_id
from organizations.models import Actor

Kind = LedgerEntry.Kind
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InsufficientCredits(Exception):
    """A wallet has fewer credits than would have to leave it."""

    details = {"reason": "balance"}


@dataclass(frozen=True)
class Lot:
    """A grant to be made: credits, where they come from, and until when."""

    amount: Decimal
    source: Grant.Source
    expires_at: datetime | None = None
    priority: int = 50
    term_starts_at: datetime | None = None
    share_of: Actor | None = None


@dataclass(frozen=True)
class Note:
    """What an entry says besides its numbers: who, when, why."""

    performed_by: str
    posted_at: datetime
    reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draw:
    """By how much an entry changes what remains of a grant."""

    grant: Grant
    amount: Decimal


def lock(*organization_ids: UUID) -> list[Wallet]:
    """Lock the wallets of these organizations, in this order, and return them as they are now.

    The order is parent before child, always; that is what makes a deadlock impossible. `FOR NO KEY UPDATE`, because inserting an
    entry takes a share lock on its wallet's key: a full `FOR UPDATE` would wait for everybody else's inserts, and they for it.
    The wallets are read only after the lock is held: a row that is joined to a locked one is as old as the statement.

    :raises Wallet.DoesNotExist: if an organization has none
    """
    for organization_id in organization_ids:
        rows = Wallet.objects.select_for_update(no_key=True)
        rows.values_list("id", flat=True).get(organization_id=organization_id)
    wallets = Wallet.objects.select_related("organization", "config", "period").in_bulk(
        organization_ids, field_name="organization_id"
    )
    return [wallets[organization_id] for organization_id in organization_ids]


def open_period(wallet: Wallet) -> BillingPeriod:
    """Return the billing period that is open now: every wallet has one, from its creation on."""
    if wallet.period is None:
        raise BillingPeriod.DoesNotExist(f"wallet {wallet.id} has no open billing period")
    return wallet.period


def live_grants(wallet: Wallet) -> list[Grant]:
    """Return the grants that still hold something, in the order in which they are drawn.

    Lowest priority number, then soonest expiry, then oldest.
    """
    grants = Grant.objects.filter(wallet=wallet, remaining__gt=0)
    return list(grants.order_by("priority", "expires_at", "created_at", "id"))


def expired_grants(wallet: Wallet, until: datetime) -> list[Grant]:
    """Return the grants that ended at or before `until` and still hold something."""
    return [g for g in live_grants(wallet) if g.expires_at is not None and g.expires_at <= until]


def remaining(grants: Iterable[Grant]) -> Decimal:
    """Return what these grants hold together."""
    return sum((grant.remaining for grant in grants), ZERO)


def take(grants: Iterable[Grant], amount: Decimal) -> list[Draw]:
    """Return the draws that take up to `amount` from these grants, in their order; none of a grant that is empty."""
    draws = []
    for grant in grants:
        if amount <= 0:
            break
        if grant.remaining == 0:
            continue
        part = min(grant.remaining, amount)
        draws.append(Draw(grant, -part))
        amount -= part
    return draws


def fund(
    wallet: Wallet, lots: Sequence[Lot], *, kind: Kind, note: Note, carried: Sequence[Draw] = ()
) -> LedgerEntry:
    """Add credits to a wallet: its debt is paid first, and the rest of each lot becomes a grant.

    :param carried: draws on old grants whose credits the lots contain (a rollover)
    """
    amount = sum((lot.amount for lot in lots), ZERO) + sum((d.amount for d in carried), ZERO)
    return _post(wallet, kind=kind, amount=amount, draws=carried, lots=lots, note=note)


def draw(wallet: Wallet, draws: Sequence[Draw], *, kind: Kind, note: Note) -> LedgerEntry:
    """Take credits out of grants, by these draws: a lapse, a negative adjustment."""
    amount = sum((draw.amount for draw in draws), ZERO)
    return _post(wallet, kind=kind, amount=amount, draws=draws, note=note)


def charge(
    wallet: Wallet,
    amount: Decimal,
    *,
    counted_in: BillingPeriod,
    note: Note,
    reservation: Reservation | None = None,
    follows: LedgerEntry | None = None,
) -> LedgerEntry:
    """Charge work that was done: from the live grants in order, and what they lack becomes debt.

    :param counted_in: the period whose counter already has it
    :param follows: for work that is charged again, the reversal of the charge before: what that returned is drawn first
    """
    grants = live_grants(wallet)
    if follows is not None:
        returned = set(follows.draws.values_list("grant_id", flat=True))
        grants.sort(key=lambda grant: grant.pk not in returned)
    return _post(
        wallet,
        kind=Kind.SETTLE,
        amount=-amount,
        draws=take(grants, amount),
        note=note,
        reservation=reservation,
        counted_in=counted_in,
        usage_after=counted_in.used,
        reverses=follows,
    )


def take_back(
    wallet: Wallet, entry: LedgerEntry, *, note: Note, transfer_id: UUID | None = None
) -> LedgerEntry:
    """Reverse an entry that brought credits: take them out of the very grants that it made.

    :raises InsufficientCredits: if less than all of them remain
    """
    made = list(Grant.objects.filter(entry=entry).order_by("id"))
    if remaining(made) < entry.amount:
        raise InsufficientCredits(
            f"{remaining(made):f} remain of the {entry.amount:f} credits that came with it"
        )
    return _post(
        wallet,
        kind=Kind.REVERSAL,
        amount=-entry.amount,
        draws=take(made, entry.amount),
        note=note,
        reverses=entry,
        transfer_id=transfer_id,
    )


def give_back(
    wallet: Wallet,
    entry: LedgerEntry,
    *,
    note: Note,
    counted_in: BillingPeriod | None = None,
    transfer_id: UUID | None = None,
) -> LedgerEntry:
    """Reverse an entry that took credits: debt is paid first, the rest returns to the grants it came from.

    What the entry had left as debt pays debt before all else. As far as other credits have paid it since, it has no grant to return
    to: it becomes one of its own, an adjustment without an end. Credits that return to a grant which has ended are in it until they
    lapse, in the same command.

    :param counted_in: for work, the period whose counter no longer has it
    """
    drawn = list(entry.draws.select_related("grant").order_by("id"))
    owed = -entry.amount + sum((each.amount for each in drawn), ZERO)
    debt = max(ZERO, wallet.debt - owed)
    draws = []
    for each in drawn:
        paid = min(debt, -each.amount)
        debt -= paid
        if paid < -each.amount:
            draws.append(Draw(each.grant, -each.amount - paid))
    return _post(
        wallet,
        kind=Kind.REVERSAL,
        amount=-entry.amount,
        draws=draws,
        lots=[Lot(owed, Grant.Source.ADJUSTMENT)] if owed > wallet.debt else (),
        note=note,
        reservation=entry.reservation,
        counted_in=counted_in,
        usage_after=counted_in.used if counted_in else None,
        reverses=entry,
        transfer_id=transfer_id,
    )


def transfer(
    source: Wallet, target: Wallet, amount: Decimal, *, kind: Kind, note: Note
) -> tuple[LedgerEntry, LedgerEntry]:
    """Move prepaid credits between a parent and its child; they keep their priority and expiry.

    :returns: the entry of the source and that of the target
    :raises InsufficientCredits: if the source has less than `amount` that may leave
    """
    if source.pk == target.pk:
        raise ValueError("a wallet cannot pay itself")
    if amount > source.transferable:
        raise InsufficientCredits(f"{source.transferable:f} transferable, {amount:f} needed")
    prepaid = [g for g in live_grants(source) if g.source != Grant.Source.ALLOWANCE]
    draws = take(prepaid, amount)
    transfer_id = new_id()
    sent = _post(source, kind=kind, amount=-amount, draws=draws, note=note, transfer_id=transfer_id)
    lots = _moved_lots(draws)
    received = _post(
        target, kind=kind, amount=amount, lots=lots, note=note, transfer_id=transfer_id
    )
    return sent, received


def _moved_lots(draws: Sequence[Draw]) -> list[Lot]:
    """One lot for each priority and expiry among the draws, soonest first as they were."""
    amounts: dict[tuple[int, datetime | None], Decimal] = {}
    for moved in draws:
        terms = (moved.grant.priority, moved.grant.expires_at)
        amounts[terms] = amounts.get(terms, ZERO) - moved.amount
    return [
        Lot(amount, Grant.Source.ALLOCATION, expires_at=expires_at, priority=priority)
        for (priority, expires_at), amount in amounts.items()
    ]


def set_next_lapse(wallet: Wallet) -> None:
    """Remember when the next of the wallet's grants expires, after some of them did."""
    live = Grant.objects.filter(wallet=wallet, remaining__gt=0)
    wallet.lapse_at = live.aggregate(soonest=Min("expires_at"))["soonest"]
    wallet.save(update_fields=["lapse_at"])


def hold(
    wallet: Wallet, period: BillingPeriod, credits: Decimal, *, counter_ids: Sequence[int] = ()
) -> None:
    """Set credits of a wallet aside, and count them in the period and the counters of their reservation."""
    _count(wallet, period, counter_ids, reserved=credits)


def free(
    wallet: Wallet,
    period: BillingPeriod,
    credits: Decimal,
    *,
    counter_ids: Sequence[int] = (),
    used: Decimal = ZERO,
) -> None:
    """End a hold: its credits are no longer reserved, and `used` of them were spent."""
    _count(wallet, period, counter_ids, reserved=-credits, used=used)


def count_work(wallet: Wallet, used: Mapping[UsageCounter, Decimal]) -> None:
    """Count work without a hold in counters of a locked wallet."""
    for counter, amount in used.items():
        counter.used += amount
    UsageCounter.objects.bulk_update(used, ["used"])


def _count(
    wallet: Wallet,
    period: BillingPeriod,
    counter_ids: Sequence[int],
    *,
    reserved: Decimal,
    used: Decimal = ZERO,
) -> None:
    if not reserved and not used:
        return
    _require_exact(reserved, used)
    wallet.reserved += reserved
    wallet.save(update_fields=["reserved"])
    period.reserved += reserved
    period.used += used
    period.save(update_fields=["reserved", "used"])
    if counter_ids:
        UsageCounter.objects.filter(id__in=counter_ids).update(
            reserved=F("reserved") + reserved, used=F("used") + used
        )


def _post(
    wallet: Wallet,
    *,
    kind: Kind,
    amount: Decimal,
    note: Note,
    draws: Sequence[Draw] = (),
    lots: Sequence[Lot] = (),
    reservation: Reservation | None = None,
    counted_in: BillingPeriod | None = None,
    usage_after: Decimal | None = None,
    transfer_id: UUID | None = None,
    reverses: LedgerEntry | None = None,
) -> LedgerEntry:
    """Write one entry with all that it changes: draws, new grants, the wallet and its head."""
    _require_exact(amount, *(lot.amount for lot in lots))
    entry = LedgerEntry(
        wallet=wallet,
        number=wallet.head_number + 1,
        period=open_period(wallet),
        kind=kind,
        amount=amount,
        balance_after=wallet.balance + amount,
        reservation=reservation,
        counted_in=counted_in,
        usage_after=usage_after,
        transfer_id=transfer_id,
        reverses=reverses,
        reason=note.reason,
        metadata=note.metadata,
        performed_by=note.performed_by,
        posted_at=note.posted_at,
        previous_hash=bytes(wallet.head_hash),
    )
    made = _grants_of(entry, lots, debt=wallet.debt)
    changes = [*draws, *(Draw(grant, grant.remaining) for grant in made if grant.remaining)]
    entry.allowance_after = wallet.allowance_remaining + _allowance_in(changes)
    entry.hash = digest(entry, changes, made)
    entry.save(force_insert=True)
    _write_draws(entry, draws, made, changes)
    _write_wallet(wallet, entry, [*made, *(d.grant for d in draws if d.amount > 0)])
    return entry


def _require_exact(*amounts: Decimal) -> None:
    """Refuse what the database would round: then it would not be the amount that was decided, and hashed.

    :raises ValueError: if an amount has more than six places
    """
    for amount in amounts:
        if amount != round(amount, 6):
            raise ValueError(f"six places at most expected, {amount:f} given")


def _grants_of(entry: LedgerEntry, lots: Sequence[Lot], *, debt: Decimal) -> list[Grant]:
    """Make the grants of an entry. What pays debt never remains in one."""
    grants = []
    for lot in lots:
        paid = min(debt, lot.amount)
        debt -= paid
        grants.append(
            Grant(
                wallet=entry.wallet,
                entry=entry,
                source=lot.source,
                amount=lot.amount,
                remaining=lot.amount - paid,
                priority=lot.priority,
                expires_at=lot.expires_at,
                term_starts_at=lot.term_starts_at,
                share_of=lot.share_of,
                created_at=entry.posted_at,
            )
        )
    return grants


def _allowance_in(changes: Sequence[Draw]) -> Decimal:
    return sum((d.amount for d in changes if d.grant.source == Grant.Source.ALLOWANCE), ZERO)


def _write_draws(
    entry: LedgerEntry, draws: Sequence[Draw], made: Sequence[Grant], changes: Sequence[Draw]
) -> None:
    for drawn in draws:
        drawn.grant.remaining += drawn.amount
        drawn.grant.save(update_fields=["remaining"])
    if made:
        Grant.objects.bulk_create(made)
    if changes:
        GrantDraw.objects.bulk_create(
            GrantDraw(entry=entry, grant=change.grant, amount=change.amount) for change in changes
        )


def _write_wallet(wallet: Wallet, entry: LedgerEntry, filled: Sequence[Grant]) -> None:
    expiries = [grant.expires_at for grant in filled if grant.expires_at is not None]
    wallet.lapse_at = min(
        [*expiries, *([wallet.lapse_at] if wallet.lapse_at else [])], default=None
    )
    wallet.balance = entry.balance_after
    wallet.allowance_remaining = entry.allowance_after
    wallet.head_number = entry.number
    wallet.head_hash = entry.hash
    wallet.save(
        update_fields=["balance", "allowance_remaining", "head_number", "head_hash", "lapse_at"]
    )


def _number(amount: Decimal | None) -> str | None:
    """Six places, always: `5`, `5.0` and `5.000000` are one amount and must hash as one."""
    return None if amount is None else f"{amount:.6f}"


def _microseconds(moment: datetime | None) -> int | None:
    """Whole microseconds since 1970, exact: what the database stores, in no time zone."""
    if moment is None:
        return None
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def digest(entry: LedgerEntry, changes: Sequence[Draw], made: Sequence[Grant]) -> bytes:
    """Return the hash of an entry: of all it says, what it changed, the grants it made, and the hash before it."""
    content = [
        bytes(entry.previous_hash).hex(),
        str(entry.wallet_id),
        entry.number,
        str(entry.id),
        entry.period_id,
        entry.kind,
        _number(entry.amount),
        _number(entry.balance_after),
        _number(entry.allowance_after),
        _number(entry.usage_after),
        str(entry.reservation_id or ""),
        entry.counted_in_id,
        str(entry.reverses_id or ""),
        str(entry.transfer_id or ""),
        entry.reason,
        entry.metadata,
        entry.performed_by,
        _microseconds(entry.posted_at),
        sorted([str(change.grant.id), _number(change.amount)] for change in changes),
        sorted(_terms(grant) for grant in made),
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def _terms(grant: Grant) -> list[Any]:
    return [
        str(grant.id),
        str(grant.wallet_id),
        grant.source,
        _number(grant.amount),
        grant.priority,
        _microseconds(grant.expires_at),
        _microseconds(grant.term_starts_at),
        _microseconds(grant.created_at),
        str(grant.share_of_id or ""),
    ]
