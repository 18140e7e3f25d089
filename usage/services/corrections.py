"""Work that is taken back, and a period whose work is priced again: beside what was told, never over it.

A reversed charge gives its credits back (`credits.services.reverse`); here its events follow, so that the counters of their month, the
caps and the reports say what was charged in the end. For each event a *correction* takes back its credits; where the work is charged
again, a *rerated* event stands for it from then on. Both point at the event they correct, and count in its month.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from credits import services as credits_services
from credits.ledger import Note
from credits.models import ZERO, BillingPeriod, LedgerEntry, Reference, Wallet
from credits.services import AlreadyReversed
from credits.services import corrections as charges
from credits.services.ending import reclaim_if_archived
from credits.services.locking import is_archived, lock
from credits.services.references import earlier
from organizations.models import Organization
from usage.models import AIModel, UsageEvent
from usage.pricing import Unpriced
from usage.services import rates, terms
from usage.services.asking import Left
from usage.services.beside import (
    ForgivenMeanwhile,
    charge_with,
    correction,
    count,
    refunded_of,
    rerated,
)
from usage.services.events import CORRECTION, FORGIVEN, REFUND, RERATED
from usage.services.served import Served
from usage.services.storing import store

SETTLE = LedgerEntry.Kind.SETTLE
READ_AT_ONCE = 500
"""How many events are read and priced in one go."""
PAGES_AT_ONCE = 40
"""How many times one call of `rerate` reads so many."""
CHARGED_AT_ONCE = 50
"""How many charges one transaction replaces."""


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
    entry = _charges([event]).get(event.id)
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


@dataclass(frozen=True)
class Repriced:
    """One piece of work, priced again: the event that told it, the one that stands for it now, and both prices."""

    told: UsageEvent
    latest: UsageEvent
    new: Decimal
    rated_at: datetime | None
    problem: str = ""
    """Why it has no other price, if it should have one."""

    @property
    def old(self) -> Decimal:
        return self.latest.credits

    @property
    def difference(self) -> Decimal:
        return self.new - self.old

    def was_changed(self, *, at: datetime) -> bool:
        """Whether it has its price since this very moment."""
        before = self.latest.corrects
        is_new = before is not None and self.latest.created_at == at
        return is_new and before is not None and before.credits != self.latest.credits


@dataclass
class Rerating:
    """What one call of `rerate` did."""

    events: int = 0
    difference: Decimal = ZERO
    problems: list[str] = field(default_factory=list)
    next: int | None = None
    """From where the next call goes on; null if the period is done."""


class _Read(NamedTuple):
    """Some of a period's events, priced again, and the position of the last one that was looked at."""

    repriced: list[Repriced]
    position: int | None


def priced(
    organization: Organization, period: BillingPeriod, *, now: datetime
) -> Iterator[Repriced]:
    """Price every event of a period again that has a price, and change nothing."""
    after: int | None = 0
    while after is not None:
        read = _read(organization, period, after=after, now=now)
        yield from read.repriced
        after = read.position


def preview(
    organization: Organization, period: BillingPeriod, *, now: datetime
) -> Iterator[Repriced]:
    """Say of each event of a period whose price differs what it was, what it would be; and which have no price any more."""
    again = priced(organization, period, now=now)
    return (each for each in again if each.difference or each.problem)


@transaction.atomic(savepoint=False)
def rerate(
    *,
    organization: Organization,
    period: BillingPeriod,
    reason: str,
    performed_by: str,
    now: datetime,
    after: int = 0,
    at_most: int = CHARGED_AT_ONCE,
) -> Rerating:
    """Price the work that a billing period counts by the rate card as it now stands for its moment, and charge it again where it differs.

    A hold's moment is that of its reserve, other work's when it occurred. One call replaces `at_most` charges and says where the next
    goes on: each is a transaction of its own, and whoever begins again does only the rest. Work that was taken back for good or refunded,
    be it in part, is left alone, and so is work in credits, without a model, or free of charge.
    """
    done = Rerating(next=after)
    found: dict[UUID, list[Repriced]] = {}
    for _ in range(PAGES_AT_ONCE):
        if done.next is None or len(found) >= at_most:
            break
        read = _read(organization, period, after=done.next, now=now)
        done.next = _gather(read, found, done, at_most=at_most)
    if found:
        _replace(organization, period, found, done, Note(performed_by, now, reason))
    return done


def _gather(
    read: _Read, found: dict[UUID, list[Repriced]], done: Rerating, *, at_most: int
) -> int | None:
    """Add what differs to what was found, by its charge; return the position behind the last that was looked at."""
    entries = _charges([each.latest for each in read.repriced if each.difference])
    position = 0
    for each in read.repriced:
        entry = entries.get(each.latest.id)
        key = entry.id if entry else each.latest.id
        if each.difference:
            if len(found) >= at_most and key not in found:
                return position
            found.setdefault(key, []).append(each)
        if each.problem:
            done.problems.append(each.problem)
        position = each.told.position
    return read.position


def _read(
    organization: Organization,
    period: BillingPeriod,
    *,
    after: int,
    now: datetime,
) -> _Read:
    """Read and price the next events, and with the last of them what was charged along with it."""
    events = _told_in(organization, period)
    told = list(events.filter(position__gt=after)[:READ_AT_ONCE])
    if not told:
        return _Read([], None)
    if told[-1].entry is not None:
        told += events.filter(entry=told[-1].entry, position__gt=told[-1].position)
    models = {event.model.slug: event.model for event in told if event.model}
    book = terms.current(organization)
    cards = book.cards(models.values())
    latest = _latest(told)
    repriced = [_price(each, latest[each.id], cards, book) for each in told if each.id in latest]
    return _Read(repriced, told[-1].position)


def _told_in(organization: Organization, period: BillingPeriod) -> QuerySet[UsageEvent]:
    """Return the work that a period counts and that has a price: charged, in tokens of a model."""
    without_hold = Q(reservation=None) & (
        Q(entry__counted_in=period)
        | Q(entry=None, occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at)
    )
    of_period = Q(reservation__period=period, reservation__is_charged=True) | without_hold
    events = UsageEvent.objects.filter(
        of_period,
        organization=organization,
        corrects=None,
        byok=False,
        charged=True,
        model__isnull=False,
        input_tokens__isnull=False,
    )
    return events.select_related("model", "reservation", "entry").order_by("position")


def _latest(told: Sequence[UsageEvent]) -> dict[UUID, UsageEvent]:
    """Return which event stands for each of these by now; none for work that was taken back for good, or refunded."""
    roots = {event.id: event.id for event in told}
    latest = {event.id: event for event in told}
    asked: set[UUID] = set(roots)
    while asked:
        corrections = list(
            UsageEvent.objects.filter(corrects__in=asked).select_related("entry", "corrects")
        )
        again = [event for event in corrections if event.source == RERATED]
        followed = {event.corrects_id for event in again}
        for event in corrections:
            if event.corrects_id is None:
                continue
            root = roots[event.corrects_id]
            if event.source == RERATED:
                roots[event.id], latest[root] = root, event
            elif event.corrects_id not in followed:
                latest.pop(root, None)
        asked = {event.id for event in again}
    return latest


def _price(told: UsageEvent, latest: UsageEvent, cards: rates.Cards, book: terms.Book) -> Repriced:
    hold = told.reservation
    moment = hold.created_at if hold else told.occurred_at
    try:
        model = _model_of(told)
        card = rates.in_force(cards, model, moment)
        served = Served.of(model.slug, card, moment, told.variant)
        new, _ = served.charge_of(told, book)
    except (Unpriced, Left) as error:
        return Repriced(told, latest, latest.credits, latest.rated_at, f"{told.public_id}: {error}")
    return Repriced(told, latest, new, datetime.fromisoformat(card.starts_at))


def _model_of(told: UsageEvent) -> AIModel:
    if told.model is None:
        raise Unpriced("it has no model")
    return told.model


def _charges(events: Iterable[UsageEvent]) -> dict[UUID, LedgerEntry]:
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


def _replace(
    organization: Organization,
    period: BillingPeriod,
    found: dict[UUID, list[Repriced]],
    done: Rerating,
    note: Note,
) -> None:
    """Replace the charges of some work, on a locked wallet: what somebody else replaced meanwhile is left alone."""
    wallet, parent = lock(organization, now=note.posted_at, needs_parent=is_archived)
    entries = LedgerEntry.objects.in_bulk(list(found))
    gone = set(
        UsageEvent.objects.filter(
            corrects__in=[each.latest.id for group in found.values() for each in group]
        ).values_list("corrects_id", flat=True)
    )
    for key, group in found.items():
        if any(each.latest.id in gone for each in group):
            continue
        try:
            _charge_again(wallet, period, entries.get(key), group, note)
        except ForgivenMeanwhile as error:
            done.problems += [f"{each.told.public_id}: {error}" for each in group]
            continue
        done.events += len(group)
        done.difference += sum((each.difference for each in group), ZERO)
    reclaim_if_archived(wallet, parent, now=note.posted_at)


def _charge_again(
    wallet: Wallet,
    period: BillingPeriod,
    entry: LedgerEntry | None,
    group: Sequence[Repriced],
    note: Note,
) -> None:
    """Take back a charge and charge its work again, all of it: also what was charged along with it and costs what it did.

    :raises ForgivenMeanwhile: if a counter would have used less than nothing
    """
    changed = {each.latest.id: each for each in group}
    before = charged_by(entry) if entry else []
    unchanged = [event for event in before if event.id not in changed]
    taken_back = [correction(event, note) for event in before]
    again = [
        *(rerated(each.latest, each.new, each.rated_at, note) for each in group),
        *(rerated(event, event.credits, event.rated_at, note) for event in unchanged),
    ]
    count(wallet, [*taken_back, *again])
    reversal = None if entry else _last_reversal(group[0].latest)
    metadata = entry.metadata if entry else {}
    noted = Note(note.performed_by, note.posted_at, note.reason, metadata)
    if entry is not None:
        reversal = charges.give_back(wallet, entry, note=noted)
        charge_with(taken_back, reversal)
    amount = sum((event.credits for event in again), ZERO)
    if amount:
        charge = charges.charge_again(
            wallet, amount, counted_in_id=period.pk, follows=reversal, note=noted
        )
        charge_with(again, charge)
    charges.lapse_ended(wallet, note=note)
    store(wallet, [*taken_back, *again])


def _last_reversal(latest: UsageEvent) -> LedgerEntry | None:
    """Return what took back the charge of work that has been free since, if nothing followed it yet."""
    if latest.corrects_id is None:
        return None
    corrections = UsageEvent.objects.filter(corrects=latest.corrects_id, source=CORRECTION)
    return LedgerEntry.objects.filter(usage_events__in=corrections, reversed_by=None).first()
