"""The movements of credits, each with the entries that it takes."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from credits.ledger.posting import post, require_exact
from credits.ledger.shapes import Draw, Lot, Note, Posting, remaining, take
from credits.ledger.wallets import live_grants
from credits.models import ZERO, BillingPeriod, Grant, LedgerEntry, Reservation, Wallet
from organizations import statements
from organizations.ids import new_id

Kind = LedgerEntry.Kind
_CHARGE = "SELECT FROM credits_charge_1(%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, 0)"
_CHARGED = ["balance", "allowance_remaining", "head_number", "head_hash", "posted_at"]
"""What a charge changes in its wallet."""


class InsufficientCredits(Exception):
    """A wallet has fewer credits than would have to leave it."""

    details = {"reason": "balance"}


def fund(wallet: Wallet, lots: Sequence[Lot], *, kind: Kind, note: Note) -> LedgerEntry:
    """Add credits to a wallet: its debt is paid first, and the rest of each lot becomes a grant."""
    (entry,) = post(Posting(wallet, kind, note, lots=lots))
    return entry


def draw(
    wallet: Wallet,
    draws: Sequence[Draw],
    *,
    kind: Kind,
    note: Note,
    amount: Decimal | None = None,
) -> LedgerEntry:
    """Take credits out of grants, by these draws: a lapse, a negative adjustment.

    :param amount: how much is taken, if it is more than they come to: the rest becomes debt
    """
    total = None if amount is None else -amount
    (entry,) = post(Posting(wallet, kind, note, draws=draws, amount=total))
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
    """Charge work that was done: from the live grants in order, and what they lack becomes debt. The period that counts it counts it too.

    It is the charge that settles holds (`credits_charge_1`).

    :param follows: for work that is charged again, the reversal of the charge before: what that returned is drawn first
    """
    require_exact(amount)
    entry_id = new_id()
    statements.fetch_one(
        _CHARGE,
        [
            wallet.pk,
            amount,
            counted_in.pk,
            reservation.pk if reservation else None,
            follows.pk if follows else None,
            entry_id,
            json.dumps(note.metadata),
            note.performed_by,
            note.posted_at,
        ],
    )
    wallet.refresh_from_db(fields=_CHARGED)
    counted_in.refresh_from_db(fields=["used"])
    return LedgerEntry.objects.get(pk=entry_id)


def take_back(
    wallet: Wallet,
    entry: LedgerEntry,
    amount: Decimal,
    *,
    note: Note,
    into_debt: bool = False,
    transfer_id: UUID | None = None,
    own: Sequence[Grant] = (),
) -> LedgerEntry:
    """Reverse so much of an entry that brought credits: take them out of the very grants that it made.

    :param own: which of these, if not all
    :param into_debt: what these lack is taken as `taken_from` says
    :raises InsufficientCredits: if less remains of them, unless it may go into debt
    """
    made = own or list(Grant.objects.filter(entry=entry).order_by("id"))
    if remaining(made) < amount and not into_debt:
        raise InsufficientCredits(
            f"{remaining(made):f} remain of the {entry.amount:f} credits that came with it, {amount:f} needed"
        )
    taken = Posting(
        wallet,
        Kind.REVERSAL,
        note,
        draws=taken_from(wallet, made, amount),
        amount=-amount,
        reverses=entry,
        transfer_id=transfer_id,
    )
    (reversal,) = post(taken)
    return reversal


def taken_from(wallet: Wallet, own: Sequence[Grant], amount: Decimal) -> list[Draw]:
    """Return the draws that take an amount from these grants, then the other prepaid ones, then the allowance. What they lack is debt."""
    first = {grant.pk for grant in own}
    others = [grant for grant in live_grants(wallet) if grant.pk not in first]
    others.sort(key=lambda grant: grant.source == Grant.Source.ALLOWANCE)
    return take([*own, *others], amount)


def give_back(
    wallet: Wallet,
    entry: LedgerEntry,
    amount: Decimal,
    *,
    note: Note,
    counted_in: BillingPeriod | None = None,
    transfer_id: UUID | None = None,
) -> LedgerEntry:
    """Reverse so much of an entry that took credits: debt is paid first, the rest returns to the grants it came from.

    What the entry had left as debt returns before all else, then what it drew, the last first. As far as other credits have paid that
    debt since, it has no grant to return to: it becomes one of its own, an adjustment without an end. Credits that return to a grant
    which has ended are in it until they lapse, in the same command.

    :param counted_in: for work, the period whose counter no longer has it
    """
    owed, drawn = _next_to_return(entry, amount)
    debt = max(ZERO, wallet.debt - owed)
    draws = []
    for each in drawn:
        paid = min(debt, each.amount)
        debt -= paid
        if paid < each.amount:
            draws.append(Draw(each.grant, each.amount - paid))
    given = Posting(
        wallet,
        Kind.REVERSAL,
        note,
        draws=draws,
        lots=[Lot(owed, Grant.Source.ADJUSTMENT)] if owed > wallet.debt else (),
        amount=amount,
        reservation=entry.reservation,
        counted_in=counted_in,
        reverses=entry,
        transfer_id=transfer_id,
    )
    (reversal,) = post(given)
    return reversal


def _next_to_return(entry: LedgerEntry, amount: Decimal) -> tuple[Decimal, list[Draw]]:
    """Return which part of an entry's debt and of its draws comes back with its next so many credits; draws in their order.

    The order is always the same, so what was taken back before says where to go on.
    """
    drawn = list(entry.draws.select_related("grant").order_by("id"))
    owed = -entry.amount + sum((each.amount for each in drawn), ZERO)
    skipped = -entry.amount - entry.left
    of_debt = min(amount, max(ZERO, owed - skipped))
    skipped, amount = max(ZERO, skipped - owed), amount - of_debt
    returned = []
    for each in reversed(drawn):
        passed = min(skipped, -each.amount)
        part = min(amount, -each.amount - passed)
        skipped, amount = skipped - passed, amount - part
        if part:
            returned.append(Draw(each.grant, part))
    return of_debt, returned[::-1]


def transfer(
    source: Wallet,
    target: Wallet,
    amount: Decimal,
    *,
    kind: Kind,
    note: Note,
    expires_at: datetime | None = None,
) -> tuple[LedgerEntry, LedgerEntry]:
    """Move prepaid credits between a parent and its child; they keep their priority and expiry.

    :param expires_at: when they end at the latest; what ends sooner still does
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
            target,
            kind,
            note,
            lots=_moved_lots(draws, expires_at),
            amount=amount,
            transfer_id=transfer_id,
        ),
    )
    return sent, received


def _moved_lots(draws: Sequence[Draw], latest: datetime | None) -> list[Lot]:
    """One lot for each priority, expiry and category among the draws, soonest first as they were."""
    amounts: dict[tuple[int, datetime | None, str], Decimal] = {}
    for moved in draws:
        ends = [end for end in (moved.grant.expires_at, latest) if end is not None]
        terms = (moved.grant.priority, min(ends, default=None), moved.grant.category)
        amounts[terms] = amounts.get(terms, ZERO) - moved.amount
    source = Grant.Source.ALLOCATION
    return [
        Lot(amount, source, expires_at=expires_at, priority=priority, category=category)
        for (priority, expires_at, category), amount in amounts.items()
    ]
