"""Taking an entry back: a reversal is posted beside it, and nothing is changed or deleted.

What an entry took returns to the grants it came from; what it brought is taken out of the grants that it made, whole or in parts. A
transfer is taken back on both of its sides. Work is more than its entry: `usage.services.corrections` takes back its events and its month's counters too.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from credits import ledger
from credits.ledger import Note
from credits.models import ZERO, BillingPeriod, Grant, LedgerEntry, Reference, Wallet
from credits.services.calendar import lapse_expired
from credits.services.ending import reclaim_if_archived
from credits.services.funding import InvalidAmount, require_available
from credits.services.locking import is_archived, lock, lock_sides
from credits.services.references import earlier
from organizations.ids import new_id

Kind = LedgerEntry.Kind

INSTEAD = {
    Kind.RENEW: "an allowance is the calendar's: adjust the balance instead",
    Kind.LAPSE: "credits whose time is up do not come back: grant new ones or adjust the balance instead",
    Kind.REVERSAL: "a reversal stays: adjust the balance instead",
}
"""What to do where an entry of a kind cannot be taken back."""


class NotReversible(Exception):
    """Entries of this kind are not taken back; the message says what to do instead."""


class NothingLeft(Exception):
    """Of a grant that is empty, or has ended, nothing is taken back."""


class AlreadyReversed(Exception):
    """An entry is taken back at most whole, be it in parts; the message names what did, and what is left."""


FROM_PARENT = (Kind.ALLOCATE, Kind.REFILL)
"""What brought the grants of a child whose rest returns to the parent."""
BY_HAND = (Kind.GRANT, Kind.RECHARGE, Kind.ADJUST)
"""What brought grants by an entry that can be reversed alone."""


@dataclass(frozen=True)
class _Asked:
    """How much of an entry is to be taken back, all that is left unless said; and whether that may leave a debt."""

    amount: Decimal | None
    into_debt: bool
    note: Note


@transaction.atomic(savepoint=False)
def reverse(
    *,
    entry: LedgerEntry,
    reason: str,
    performed_by: str,
    now: datetime,
    amount: Decimal | None = None,
    into_debt: bool = False,
    reference: str = "",
) -> LedgerEntry:
    """Take back an entry, and with one side of a transfer the other too. Returns the reversal on the entry's own wallet.

    What returns to a grant that has ended lapses at once. Work also frees room in the period that counted it.

    :param amount: how much of it; unless said, all that is left
    :param into_debt: if what it brought is spent or held (a chargeback), take it nevertheless: from the other prepaid credits, then from
        the allowance, then as debt
    :param reference: of what was refunded: used again for the same entry, it returns the first reversal
    :raises NotReversible: if it is a renewal, a lapse or a reversal, or if it is work and an amount is named
    :raises InvalidAmount: if the amount is not positive, or more than the entry moved
    :raises ReferenceTaken: if the reference means something else
    :raises AlreadyReversed: if it was taken back before, or so much of it that less is left
    :raises InsufficientCredits: if less remains of what it brought, or holds need it, and it may not go into debt
    """
    kind = Kind(entry.kind)
    if kind in INSTEAD:
        raise NotReversible(f"#{entry.number} is a {kind.label.lower()}: {INSTEAD[kind]}")
    if amount is not None:
        _require_part(entry, amount)
    asked = _Asked(amount, into_debt, Note(performed_by, now, reason, entry.metadata, reference))
    if entry.transfer_id is not None:
        return _reverse_transfer(entry, asked)
    wallet, parent = lock(entry.wallet.organization, now=now, needs_parent=is_archived)
    done = _reversal_named(wallet, entry, asked)
    if done is not None:
        return done
    part = _part(entry, amount)
    if entry.amount < 0:
        reversal = give_back(wallet, entry, part, note=asked.note)
        lapse_ended(wallet, note=asked.note)
    else:
        reversal = _take_back(wallet, entry, part, asked)
    reclaim_if_archived(wallet, parent, now=now)
    return reversal


@transaction.atomic(savepoint=False)
def void(
    *, grant: Grant, reason: str, performed_by: str, now: datetime, reference: str = ""
) -> LedgerEntry:
    """Take back what remains of a grant, whatever holds need: like a lapse it leaves no debt, and may leave less than is held.

    It reverses so much of the entry that made the grant; credits that came from a parent return to it. Of a renewal, which is never
    reversed, and of what came back from a child, it is an adjustment.

    :param reference: of what is taken back: used again for the same grant, it returns the first entry
    :raises NothingLeft: if nothing remains of it, or it has ended
    :raises ReferenceTaken: if the reference means something else
    """
    made_by = grant.entry
    note = Note(performed_by, now, reason, reference=reference)
    if made_by.kind in FROM_PARENT:
        return _void_transfer(grant, made_by, note)
    wallet, parent = lock(made_by.wallet.organization, now=now, needs_parent=is_archived)
    done = _voided(wallet, grant, reference)
    if done is not None:
        return done
    own = _rest(wallet, grant)
    if made_by.kind in BY_HAND and own.remaining <= made_by.left:
        entry = ledger.take_back(wallet, made_by, own.remaining, note=note, own=[own])
        if made_by.kind == Kind.RECHARGE:
            ledger.count_recharged(wallet, made_by.period_id, entry.amount)
    else:
        entry = _take_rest(wallet, own, note)
    reclaim_if_archived(wallet, parent, now=now)
    return entry


def _void_transfer(grant: Grant, received: LedgerEntry, note: Note) -> LedgerEntry:
    """Give back to the parent what remains of a grant that came from it, under the locks of both wallets."""
    sides = LedgerEntry.objects.filter(transfer_id=received.transfer_id)
    sent, received = sides.select_related("wallet__organization").order_by("amount")
    source, target = lock_sides(sent, received, now=note.posted_at)
    done = _voided(target, grant, note.reference)
    if done is not None:
        return done
    own = _rest(target, grant)
    note = replace(note, posted_at=ledger.moment(note.posted_at, source, target))
    if own.remaining > received.left:
        return _take_rest(target, own, note)
    part, transfer_id = own.remaining, new_id()
    taken = ledger.take_back(target, received, part, note=note, transfer_id=transfer_id, own=[own])
    ledger.give_back(source, sent, part, note=note, transfer_id=transfer_id)
    lapse_ended(source, note=note)
    reclaim_if_archived(target, source, now=note.posted_at)
    return taken


def _rest(wallet: Wallet, grant: Grant) -> Grant:
    """Return a grant of a locked wallet as it is under the lock.

    :raises NothingLeft: if nothing remains of it
    """
    own = wallet.grants.get(pk=grant.pk)
    if not own.remaining:
        raise NothingLeft(f"nothing remains of {own.public_id}")
    return own


def _take_rest(wallet: Wallet, grant: Grant, note: Note) -> LedgerEntry:
    draws = ledger.take([grant], grant.remaining)
    return ledger.draw(wallet, draws, kind=Kind.ADJUST, note=note)


def _voided(wallet: Wallet, grant: Grant, reference: str) -> LedgerEntry | None:
    """Return the entry that took the rest of this grant, if a reference means it already.

    :raises ReferenceTaken: if it means something else
    """

    def is_same(entry: LedgerEntry) -> bool:
        draws = entry.draws.all()
        return [draw.grant_id for draw in draws] == [grant.pk] and draws[0].amount == entry.amount

    return earlier(wallet, Reference.Namespace.TAKEN_BACK, reference, is_same=is_same)


def _require_part(entry: LedgerEntry, amount: Decimal) -> None:
    """Refuse what can be no part of an entry.

    :raises NotReversible: if it is work
    :raises InvalidAmount: if it is nothing, or more than the entry moved
    """
    if entry.kind == Kind.SETTLE:
        raise NotReversible(
            f"#{entry.number} is work: take back those of its events that should not be charged"
        )
    if not 0 < amount <= abs(entry.amount):
        raise InvalidAmount(
            f"more than 0 and at most {abs(entry.amount):f} expected, {amount:f} given"
        )


def _reverse_transfer(entry: LedgerEntry, asked: _Asked) -> LedgerEntry:
    """Take back both sides of a transfer, or as much of them, under the locks of both wallets."""
    sides = LedgerEntry.objects.filter(transfer_id=entry.transfer_id)
    sent, received = sides.select_related("wallet__organization").order_by("amount")
    source, target = lock_sides(sent, received, now=asked.note.posted_at)
    # Both sides at one moment, although each is an entry of its own.
    note = replace(asked.note, posted_at=ledger.moment(asked.note.posted_at, source, target))
    asked = replace(asked, note=note)
    of_source = _reversal_named(source, sent, asked)
    of_target = _reversal_named(target, received, asked)
    done = of_source if entry.wallet_id == source.pk else of_target
    if done is not None:
        return done
    part = _part(sent if entry.wallet_id == source.pk else received, asked.amount)
    transfer_id = new_id()
    taken = _take_back(target, received, part, asked, transfer_id=transfer_id)
    given = ledger.give_back(source, sent, part, note=note, transfer_id=transfer_id)
    lapse_ended(source, note=note)
    for wallet, other in ((source, target), (target, source)):
        if wallet.organization.parent_id is not None:
            reclaim_if_archived(wallet, other, now=note.posted_at)
    return given if entry.wallet_id == source.pk else taken


def _reversal_named(wallet: Wallet, entry: LedgerEntry, asked: _Asked) -> LedgerEntry | None:
    """Return the reversal, of so much of this entry, that a reference means already.

    :raises ReferenceTaken: if it means something else
    """

    def is_same(other: LedgerEntry) -> bool:
        if other.reverses_id != entry.pk:
            return False
        if asked.amount is not None:
            return abs(other.amount) == asked.amount
        later = entry.reversed_by.filter(kind=Kind.REVERSAL, number__gt=other.number)
        return entry.left == 0 and not later.exists()

    return earlier(wallet, Reference.Namespace.TAKEN_BACK, asked.note.reference, is_same=is_same)


def _part(entry: LedgerEntry, amount: Decimal | None) -> Decimal:
    """Return how much of an entry is taken back: what was asked for, or all that is left. Under the lock.

    :raises AlreadyReversed: if nothing is left, or less than that
    """
    left = entry.left
    if amount is not None and amount <= left:
        return amount
    reversals = entry.reversed_by.filter(kind=Kind.REVERSAL).order_by("number")
    by = ", ".join(f"#{number}" for number in reversals.values_list("number", flat=True))
    if amount is not None and left:
        raise AlreadyReversed(
            f"#{entry.number} was reversed by {by} in part: {left:f} are left, {amount:f} asked for"
        )
    if not left:
        raise AlreadyReversed(f"#{entry.number} was reversed by {by}")
    return left


def _take_back(
    wallet: Wallet,
    entry: LedgerEntry,
    part: Decimal,
    asked: _Asked,
    *,
    transfer_id: UUID | None = None,
) -> LedgerEntry:
    """Take back what brought credits; what open holds need only if it may go into debt. What its grants have, the ledger knows.

    :raises InsufficientCredits: if they do not have it, or holds need it
    """
    require_available(wallet, part, into_debt=asked.into_debt, now=asked.note.posted_at)
    reversal = ledger.take_back(
        wallet, entry, part, note=asked.note, into_debt=asked.into_debt, transfer_id=transfer_id
    )
    if entry.kind == Kind.RECHARGE:
        ledger.count_recharged(wallet, entry.period_id, -part)
    return reversal


def give_back(
    wallet: Wallet, entry: LedgerEntry, amount: Decimal | None = None, *, note: Note
) -> LedgerEntry:
    """Take back what took credits, on a locked wallet; of work, free the room in the period that counted it.

    What returned to grants that have ended is in them until `lapse_ended`.

    :param amount: how much of it; unless said, all that is left
    :raises AlreadyReversed: if it was taken back before, or so much of it that less is left
    """
    part = _part(entry, amount)
    period = None
    if entry.counted_in_id is not None:
        period = _period_as_it_is(wallet, entry.counted_in_id)
        ledger.free(wallet, period, ZERO, used=-part)
    return ledger.give_back(wallet, entry, part, note=note, counted_in=period)


def charge_again(
    wallet: Wallet,
    amount: Decimal,
    *,
    counted_in_id: int,
    follows: LedgerEntry | None,
    note: Note,
) -> LedgerEntry:
    """Charge work at another price, on a locked wallet, where it counted before.

    It draws first what the reversal returned, also from grants that have ended meanwhile: the work was done while they lived.

    :param follows: the reversal of its charge; null for work that was free
    """
    period = _period_as_it_is(wallet, counted_in_id)
    return ledger.charge(
        wallet,
        amount,
        counted_in=period,
        note=note,
        reservation=follows.reservation if follows else None,
        follows=follows,
    )


def _period_as_it_is(wallet: Wallet, period_id: int) -> BillingPeriod:
    """Return a period of a locked wallet as it is under the lock: what an entry has in hand may be older."""
    current = ledger.open_period(wallet)
    return current if period_id == current.pk else BillingPeriod.objects.get(pk=period_id)


def lapse_ended(wallet: Wallet, *, note: Note) -> None:
    """Let lapse what returned to grants that have ended, in the name of whoever returned it."""
    if wallet.lapse_at is not None and wallet.lapse_at <= note.posted_at:
        lapse_expired(wallet, note=Note(note.performed_by, note.posted_at, note.reason))
