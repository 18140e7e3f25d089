"""Taking an entry back: a reversal is posted beside it, and nothing is changed or deleted.

What an entry took returns to the grants it came from; what it brought is taken out of the grants that it made. A transfer is taken back
on both of its sides. Work is more than its entry: `usage.services.corrections` takes back its events and its month's counters too.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from credits import ledger
from credits.ledger import InsufficientCredits, Note
from credits.models import ZERO, BillingPeriod, LedgerEntry, Reference, Wallet
from credits.services.calendar import lapse_expired
from credits.services.ending import expire_due, reclaim_if_archived
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


class AlreadyReversed(Exception):
    """An entry is taken back at most once; the message names what did."""


@transaction.atomic(savepoint=False)
def reverse(
    *, entry: LedgerEntry, reason: str, performed_by: str, now: datetime, reference: str = ""
) -> LedgerEntry:
    """Take back an entry, and with one side of a transfer the other too. Returns the reversal on the entry's own wallet.

    What returns to a grant that has ended lapses at once. Work also frees room in the period that counted it.

    :param reference: of what was refunded: used again for the same entry, it returns the first reversal
    :raises NotReversible: if it is a renewal, a lapse or a reversal
    :raises ReferenceTaken: if the reference means something else
    :raises AlreadyReversed: if it was taken back before
    :raises InsufficientCredits: if less remains of what it brought, or holds need it
    """
    kind = Kind(entry.kind)
    if kind in INSTEAD:
        raise NotReversible(f"#{entry.number} is a {kind.label.lower()}: {INSTEAD[kind]}")
    note = Note(performed_by, now, reason, entry.metadata, reference)
    if entry.transfer_id is not None:
        return _reverse_transfer(entry, note=note)
    wallet, parent = lock(entry.wallet.organization, now=now, needs_parent=is_archived)
    done = _reversal_named(reference, wallet, entry)
    if done is not None:
        return done
    _require_not_reversed(entry)
    if entry.amount < 0:
        reversal = give_back(wallet, entry, note=note)
        lapse_ended(wallet, note=note)
    else:
        _require_available(wallet, entry, now=now)
        reversal = ledger.take_back(wallet, entry, note=note)
    reclaim_if_archived(wallet, parent, now=now)
    return reversal


def _reverse_transfer(entry: LedgerEntry, *, note: Note) -> LedgerEntry:
    """Take back both sides of a transfer, under the locks of both wallets."""
    sides = LedgerEntry.objects.filter(transfer_id=entry.transfer_id)
    sent, received = sides.select_related("wallet__organization").order_by("amount")
    source, target = lock_sides(sent, received, now=note.posted_at)
    of_source = _reversal_named(note.reference, source, sent)
    of_target = _reversal_named(note.reference, target, received)
    done = of_source if entry.wallet_id == source.pk else of_target
    if done is not None:
        return done
    _require_not_reversed(entry)
    transfer_id = new_id()
    _require_available(target, received, now=note.posted_at)
    taken = ledger.take_back(target, received, note=note, transfer_id=transfer_id)
    given = ledger.give_back(source, sent, note=note, transfer_id=transfer_id)
    lapse_ended(source, note=note)
    for wallet, other in ((source, target), (target, source)):
        if wallet.organization.parent_id is not None:
            reclaim_if_archived(wallet, other, now=note.posted_at)
    return given if entry.wallet_id == source.pk else taken


def _reversal_named(text: str, wallet: Wallet, entry: LedgerEntry) -> LedgerEntry | None:
    """Return the reversal of this entry that a reference means already.

    :raises ReferenceTaken: if it means something else
    """

    def is_same(other: LedgerEntry) -> bool:
        return other.reverses_id == entry.pk

    return earlier(wallet, Reference.Namespace.TAKEN_BACK, text, is_same=is_same)


def _require_not_reversed(entry: LedgerEntry) -> None:
    """Refuse a second time, under the lock.

    :raises AlreadyReversed: if it was taken back
    """
    before = LedgerEntry.objects.filter(reverses=entry).first()
    if before is not None:
        raise AlreadyReversed(f"#{entry.number} was reversed by #{before.number}")


def _require_available(wallet: Wallet, entry: LedgerEntry, *, now: datetime) -> None:
    """Refuse to take what open holds need. Whether the entry's own grants have it, the ledger knows.

    :raises InsufficientCredits: if they do
    """
    if entry.amount > wallet.available:
        expire_due(wallet, now=now)
    if entry.amount > wallet.available:
        raise InsufficientCredits(f"{wallet.available:f} available, {entry.amount:f} needed")


def give_back(wallet: Wallet, entry: LedgerEntry, *, note: Note) -> LedgerEntry:
    """Take back what took credits, on a locked wallet; of work, free the room in the period that counted it.

    What returned to grants that have ended is in them until `lapse_ended`.

    :raises AlreadyReversed: if it was taken back before
    """
    _require_not_reversed(entry)
    period = None
    if entry.counted_in_id is not None:
        period = _period_as_it_is(wallet, entry.counted_in_id)
        ledger.free(wallet, period, ZERO, used=entry.amount)
    return ledger.give_back(wallet, entry, note=note, counted_in=period)


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
    ledger.free(wallet, period, ZERO, used=amount)
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
