"""Giving back what the work of a hold was charged, all of it or a part: to the grants that it came from, and off the counters of its month.

A refund is an event beside that of the work, with the reversal of so much of its charge. There may be several, together no more than was
charged. Work that was refunded keeps its price: a rate card that is corrected later does not charge it again.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from credits.ledger import Note
from credits.models import LedgerEntry, Reference, Reservation, Wallet
from credits.services import AlreadyReversed, InvalidAmount
from credits.services import corrections as charges
from credits.services.ending import reclaim_if_archived
from credits.services.finding import find_hold
from credits.services.locking import is_archived, lock
from credits.services.references import earlier
from organizations.models import Organization
from usage.models import UsageEvent
from usage.services import beside
from usage.services.corrections import charge_of, left_of, require_standing
from usage.services.events import REFUND, RERATED
from usage.services.storing import store


class NotSettled(Exception):
    """Nothing was charged for the hold yet, or ever: only settled work is refunded."""


@dataclass(frozen=True)
class Refund:
    """What was given back: the entry that did, the event that says so, the work, and how much of it was refunded by now."""

    reservation: Reservation
    entry: LedgerEntry
    event: UsageEvent
    total: Decimal


@transaction.atomic(savepoint=False)
def refund(
    *,
    organization: Organization,
    reservation_id: UUID,
    reason: str,
    performed_by: str,
    now: datetime,
    amount: Decimal | None = None,
    reference: str = "",
) -> Refund:
    """Give back what the work of a hold was charged.

    :param amount: how much; unless said, all that was charged and not given back yet
    :param reference: of what was refunded: used again for the same hold and amount, it returns the first refund
    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises NotSettled: if it is open, or was released or has expired without being settled
    :raises NothingToReverse: if the work was free, or on the organization's own keys
    :raises InvalidAmount: if the amount is not positive, or more than the work cost
    :raises AlreadyReversed: if it was given back before, or so much of it that less is left
    :raises ReferenceTaken: if the reference means something else
    :raises ForgivenMeanwhile: if a counter would have used less than nothing
    """
    wallet, parent = lock(organization, now=now, needs_parent=is_archived)
    hold = find_hold(organization.id, reservation_id)
    done = _earlier(wallet, hold, amount, reference)
    if done is not None:
        return done
    if hold.status != Reservation.Status.SETTLED:
        raise NotSettled(f"{hold.public_id} is {hold.status_at(now)}: nothing was charged for it")
    event = _standing(hold)
    entry = charge_of(event)
    part = _part(event, amount)
    note = Note(performed_by, now, reason, entry.metadata, reference)
    reversal = charges.give_back(wallet, entry, part, note=note)
    taken = beside.refund(event, part, note)
    beside.charge_with([taken], reversal)
    beside.count(wallet, [taken])
    store(wallet, [taken])
    charges.lapse_ended(wallet, note=note)
    reclaim_if_archived(wallet, parent, now=now)
    return Refund(hold, reversal, taken, event.credits - left_of(event))


def _earlier(
    wallet: Wallet, hold: Reservation, amount: Decimal | None, reference: str
) -> Refund | None:
    """Return the refund of this hold, of so much of it, that a reference means already."""

    def is_same(entry: LedgerEntry) -> bool:
        if not _refunds(entry).filter(corrects__in=_events_of(hold)).exists():
            return False
        return amount is None or entry.amount == amount

    entry = earlier(wallet, Reference.Namespace.TAKEN_BACK, reference, is_same=is_same)
    if entry is None:
        return None
    taken = _refunds(entry).select_related("corrects").get()
    assert taken.corrects is not None
    return Refund(hold, entry, taken, taken.corrects.credits - left_of(taken.corrects))


def _refunds(entry: LedgerEntry) -> QuerySet[UsageEvent]:
    return UsageEvent.objects.filter(entry=entry, source=REFUND)


def _events_of(hold: Reservation) -> list[UsageEvent]:
    """Return the event of a hold and those that stood for its work after it, as its price was corrected."""
    events = list(UsageEvent.objects.filter(reservation=hold).select_related("entry"))
    for event in events:
        events += event.corrected_by.filter(source=RERATED).select_related("entry")
    return events


def _standing(hold: Reservation) -> UsageEvent:
    """Return the event that stands for the work of a settled hold.

    :raises AlreadyReversed: if it was taken back, or refunded whole
    """
    event = _events_of(hold)[-1]
    require_standing(event)
    return event


def _part(event: UsageEvent, amount: Decimal | None) -> Decimal:
    """Return how much of an event is given back: what was asked for, or all that is left. Under the lock.

    :raises InvalidAmount: if it is nothing, or more than the work cost
    :raises AlreadyReversed: if less than that is left
    """
    left = left_of(event)
    if amount is None:
        return left
    if not 0 < amount <= event.credits:
        raise InvalidAmount(f"at most {event.credits:f} charged, {amount:f} to give back")
    if amount > left:
        raise AlreadyReversed(
            f"{event.credits - left:f} of {event.credits:f} were refunded: {left:f} are left, {amount:f} asked for"
        )
    return amount
