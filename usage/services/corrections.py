"""Work that is taken back: beside what was told, never over it.

A reversed charge gives its credits back (`credits.services.reverse`); here its events follow, so that the counters of their month, the
caps and the reports say what was charged in the end. For each event a *correction* takes back its credits; it points at the event that it
corrects, and counts in its month.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from credits import services as credits_services
from credits.ledger import Note
from credits.models import ZERO, LedgerEntry, Reference, Wallet
from credits.services import AlreadyReversed
from credits.services import corrections as charges
from credits.services.ending import reclaim_if_archived
from credits.services.locking import is_archived, lock
from credits.services.references import earlier
from usage.models import UsageEvent
from usage.services.beside import (
    charge_with,
    correction,
    count,
    refunded_of,
)
from usage.services.events import CORRECTION, FORGIVEN, REFUND, RERATED
from usage.services.storing import store

SETTLE = LedgerEntry.Kind.SETTLE


class NothingToReverse(Exception):
    """Nothing was charged for this event, so nothing can be given back; the message says why."""


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
    """Take back an entry, or what is left of it; if it charged work, the events and the counters of that work too. Returns the reversal.

    :param amount: how much of it; unless said, all that is left
    :param into_debt: if what it brought is spent or held (a chargeback), take it nevertheless: from the other prepaid credits, then from
        the allowance, then as debt
    :param reference: of what was refunded: used again for the same entry, it returns the first reversal
    :raises NotReversible: if it is a renewal, a lapse or a reversal, or if it is work and an amount is named
    :raises InvalidAmount: if the amount is not positive, or more than the entry moved
    :raises ReferenceTaken: if the reference means something else
    :raises AlreadyReversed: if it was taken back before, or so much of it that less is left
    :raises InsufficientCredits: if less remains of what it brought, or holds need it, and it may not go into debt
    :raises ForgivenMeanwhile: if a counter would have used less than nothing
    """
    reversal = credits_services.reverse(
        entry=entry,
        amount=amount,
        into_debt=into_debt,
        reason=reason,
        performed_by=performed_by,
        now=now,
        reference=reference,
    )
    if entry.kind == SETTLE and not reversal.replayed:
        _take_back(entry.wallet, charged_by(entry), reversal, Note(performed_by, now, reason))
    return reversal


@transaction.atomic(savepoint=False)
def reverse_event(
    *,
    event: UsageEvent,
    reason: str,
    performed_by: str,
    now: datetime,
    reference: str = "",
) -> LedgerEntry:
    """Take back one piece of work alone, whatever was charged along with it. Returns the reversal of its part of the charge.

    :param reference: of what was refunded: used again for the same event, it returns the first reversal
    :raises NothingToReverse: if nothing was charged for it
    :raises AlreadyReversed: if it was taken back before, alone or with its charge, or priced again
    :raises ReferenceTaken: if the reference means something else
    :raises ForgivenMeanwhile: if a counter would have used less than nothing
    """
    entry = charge_of(event)
    wallet, parent = lock(event.organization, now=now, needs_parent=is_archived)

    def is_same(other: LedgerEntry) -> bool:
        return [correction.corrects_id for correction in other.usage_events.all()] == [event.id]

    done = earlier(wallet, Reference.Namespace.TAKEN_BACK, reference, is_same=is_same)
    if done is not None:
        return done
    require_standing(event)
    note = Note(performed_by, now, reason, entry.metadata, reference)
    reversal = charges.give_back(wallet, entry, left_of(event), note=note)
    _take_back(wallet, [event], reversal, note)
    charges.lapse_ended(wallet, note=note)
    reclaim_if_archived(wallet, parent, now=now)
    return reversal


def _take_back(
    wallet: Wallet, events: Sequence[UsageEvent], reversal: LedgerEntry, note: Note
) -> None:
    """Write what takes these events back beside them, with the reversal of their charge, and count it. On a locked wallet."""
    refunded = refunded_of(events)
    corrections = [
        correction(event, note, refunded=refunded.get(event.id, ZERO)) for event in events
    ]
    charge_with(corrections, reversal)
    count(wallet, corrections)
    store(wallet, corrections)


def require_standing(event: UsageEvent) -> None:
    """Refuse what no longer stands for its work, or of which nothing is left.

    :raises AlreadyReversed: if it was taken back, or priced again, or refunded whole
    """
    beside = event.corrected_by.exclude(source=REFUND).select_related("entry")
    by = beside.order_by("-position").first()
    if by is not None and by.source == RERATED:
        raise AlreadyReversed(f"{event.public_id} was priced again: {by.public_id} stands for it")
    if by is not None and by.entry is not None:
        raise AlreadyReversed(f"{event.public_id} was taken back by #{by.entry.number}")
    if event.credits and not left_of(event):
        raise AlreadyReversed(f"{event.public_id} was refunded: nothing of it is left")


def left_of(event: UsageEvent) -> Decimal:
    """Return how much of an event was not refunded."""
    return event.credits - refunded_of([event]).get(event.id, ZERO)


def may_reverse(event: UsageEvent) -> bool:
    """Whether there is something of an event to be taken back."""
    try:
        charge_of(event)
        require_standing(event)
    except (NothingToReverse, AlreadyReversed):
        return False
    return True


def charge_of(event: UsageEvent) -> LedgerEntry:
    """Return the entry that charged an event, to be taken back.

    :raises NothingToReverse: if none did
    """
    if event.source == FORGIVEN:
        raise NothingToReverse("what was forgiven touched no wallet: there is nothing to give back")
    if event.source in (CORRECTION, REFUND):
        raise NothingToReverse(f"a {event.source} gave credits back: it stays")
    if event.byok:
        raise NothingToReverse("work on the organization's own keys was not charged")
    if not event.charged:
        raise NothingToReverse("it was told as history, and not charged")
    entry = charges_of([event]).get(event.id)
    if entry is None or not event.credits:
        raise NothingToReverse("the work was free: there is nothing to give back")
    return entry


def charged_by(entry: LedgerEntry) -> list[UsageEvent]:
    """Return the events that an entry charged and that were not taken back since, without those that cost nothing."""
    of_entry = Q(entry=entry)
    if entry.reservation_id is not None and entry.reverses_id is None:
        of_entry |= Q(reservation=entry.reservation_id)
    standing = UsageEvent.objects.filter(of_entry).exclude(corrected_by__source=CORRECTION)
    return list(standing.exclude(credits=ZERO).order_by("position"))


def charges_of(events: Iterable[UsageEvent]) -> dict[UUID, LedgerEntry]:
    """Return the entry that charged each of these events, where one did."""
    events = list(events)
    holds = [event.reservation_id for event in events if event.reservation_id is not None]
    first = LedgerEntry.objects.filter(reservation__in=holds, kind=SETTLE, reverses=None)
    of_hold = {entry.reservation_id: entry for entry in first}
    found = {}
    for event in events:
        entry = of_hold.get(event.reservation_id) if event.reservation_id else event.entry
        if entry is not None:
            found[event.id] = entry
    return found
