"""A period whose work is priced again by the rate card as it now stands: beside what was told, never over it.

For each event a *correction* takes back its credits, and a *rerated* event stands for the work from then on. Both point at the event they
correct, and count in its month.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from credits.ledger import Note
from credits.models import ZERO, BillingPeriod, LedgerEntry, Wallet
from credits.services import corrections as charges
from credits.services.ending import reclaim_if_archived
from credits.services.locking import is_archived, lock
from organizations.models import Organization
from usage.models import AIModel, UsageEvent
from usage.pricing import Unpriced
from usage.services import rates, terms
from usage.services.asking import Left
from usage.services.beside import ForgivenMeanwhile, charge_with, correction, count, rerated
from usage.services.book import Book
from usage.services.corrections import charged_by, charges_of
from usage.services.events import CORRECTION, RERATED
from usage.services.served import Served
from usage.services.storing import store

READ_AT_ONCE = 500
"""How many events are read and priced in one go."""
PAGES_AT_ONCE = 40
"""How many times one call of `rerate` reads so many."""
CHARGED_AT_ONCE = 50
"""How many charges one transaction replaces."""


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
    entries = charges_of([each.latest for each in read.repriced if each.difference])
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


def _price(told: UsageEvent, latest: UsageEvent, cards: rates.Cards, book: Book) -> Repriced:
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
