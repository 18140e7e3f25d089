"""The movements of credits, each with the entries that it takes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from credits.ledger.posting import post
from credits.ledger.shapes import Draw, Lot, Note, Posting, remaining, take
from credits.ledger.wallets import live_grants
from credits.models import ZERO, BillingPeriod, Grant, LedgerEntry, Reservation, Wallet
from organizations.ids import new_id

Kind = LedgerEntry.Kind


class InsufficientCredits(Exception):
    """A wallet has fewer credits than would have to leave it."""

    details = {"reason": "balance"}


def fund(wallet: Wallet, lots: Sequence[Lot], *, kind: Kind, note: Note) -> LedgerEntry:
    """Add credits to a wallet: its debt is paid first, and the rest of each lot becomes a grant."""
    (entry,) = post(Posting(wallet, kind, note, lots=lots))
    return entry


def draw(wallet: Wallet, draws: Sequence[Draw], *, kind: Kind, note: Note) -> LedgerEntry:
    """Take credits out of grants, by these draws: a lapse, a negative adjustment."""
    (entry,) = post(Posting(wallet, kind, note, draws=draws))
    return entry


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
    charged = Posting(
        wallet,
        Kind.SETTLE,
        note,
        draws=take(grants, amount),
        amount=-amount,
        reservation=reservation,
        counted_in=counted_in,
        reverses=follows,
    )
    (entry,) = post(charged)
    return entry


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
    taken = Posting(
        wallet,
        Kind.REVERSAL,
        note,
        draws=take(made, entry.amount),
        amount=-entry.amount,
        reverses=entry,
        transfer_id=transfer_id,
    )
    (reversal,) = post(taken)
    return reversal


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
    given = Posting(
        wallet,
        Kind.REVERSAL,
        note,
        draws=draws,
        lots=[Lot(owed, Grant.Source.ADJUSTMENT)] if owed > wallet.debt else (),
        amount=-entry.amount,
        reservation=entry.reservation,
        counted_in=counted_in,
        reverses=entry,
        transfer_id=transfer_id,
    )
    (reversal,) = post(given)
    return reversal


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
    sent, received = post(
        Posting(source, kind, note, draws=draws, amount=-amount, transfer_id=transfer_id),
        Posting(
            target, kind, note, lots=_moved_lots(draws), amount=amount, transfer_id=transfer_id
        ),
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
