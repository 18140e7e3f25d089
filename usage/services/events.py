"""Work that was done without a hold, told afterwards: charged all the same, into debt if need be."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from credits import ledger, periods
from credits.ledger import InMonth
from credits.models import ZERO, UsageCounter, Wallet
from credits.services.admission import ChargeTooLarge, require_chargeable
from credits.services.afterwards import Countable, lock_countable
from credits.services.counters import Subject, counters_of
from credits.services.locking import lock
from organizations.ids import new_id
from organizations.models import Actor, Group, Organization
from organizations.services import OrganizationArchived, require_active
from usage.models import UsageEvent
from usage.services import terms
from usage.services.book import Book
from usage.services.storing import store
from usage.services.told import COLUMNS, NULL, Priced, read_and_price
from usage.services.told import CORRECTION as CORRECTION
from usage.services.told import FORGIVEN as FORGIVEN
from usage.services.told import REFUND as REFUND
from usage.services.told import RERATED as RERATED
from usage.services.told import Told as Told

PORTION = 250
"""How many events are booked under one lock: others wait for no more than these."""
# The limit makes the planner look each up by itself: else it may read all events of the organization. And it is planned anew each time,
# because of a table that was small when a session prepared this one index is as good as another, and one gets slow as it grows.
_EARLIER = """
    SELECT told.source, told.id, e.credits, e.entry_id FROM unnest(%s::text[], %s::text[]) AS told (source, id)
    CROSS JOIN LATERAL (
        SELECT credits, entry_id FROM usage_usageevent
        WHERE organization_id = %s AND source = told.source AND external_id = told.id LIMIT 1
    ) e"""
_COLUMNS = [
    *("id", "organization_id", "entry_id", "credits", "counter_ids", "byok", "late"),
    *("created_at", "position", *COLUMNS),
]
_STORE = f"COPY usage_usageevent ({', '.join(_COLUMNS)}) FROM STDIN"

Key = tuple[str, str]
"""The source of an event and its id there."""


class Result(NamedTuple):
    """What became of one told piece of work."""

    source: str
    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = None
    credits: Decimal | None = None
    entry_id: UUID | None = None
    """What charged it."""
    code: str | None = None
    """What clients tell the reason by, where it has a code."""


Booked = tuple[Decimal, UUID | None]
"""What an event was charged, and by which entry."""


class _Event(NamedTuple):
    """A piece of work that is recorded: what it is charged, and the billing period that counts it."""

    priced: Priced
    credits: Decimal
    period_id: int | None
    """Null for history, which none counts."""
    counted_in: Sequence[InMonth]
    """Whose counters carry it: work on own keys counts against none, nor does history."""


def record(
    *, organization: Organization, told: Sequence[Told], performed_by: str, now: datetime
) -> list[Result]:
    """Record and charge work that was done, each piece once for ever, in the order in which it is told.

    What is not to be charged is history, and only the reports know of it, however old it is. Nothing is denied: the work is done. What cannot be recorded is rejected with a reason, and keeps nothing else from it. Pieces are
    booked in portions of `PORTION`, each a transaction of its own, so that nobody waits for the wallet longer than one takes. A portion
    makes one ledger entry for each billing period that counts some of it. If one fails, those before it stay: told again, they are duplicates.

    :raises OrganizationSuspended: if the organization is suspended, perhaps since a portion was booked
    :raises OrganizationArchived: if it is archived and nothing was booked
    """
    note = ledger.Note(performed_by, now)
    results: list[Result] = []
    for begin in range(0, len(told), PORTION):
        portion = told[begin : begin + PORTION]
        book = terms.book_of(organization)
        priced = read_and_price(book, portion, now=now)
        try:
            results += _book(book, priced, note)
        except OrganizationArchived as error:
            if not results:
                raise
            results += [_rejected(each, str(error)) for each in portion]
    return results


@transaction.atomic(savepoint=False)
def forgive(
    *,
    organization: Organization,
    actor: Actor,
    credits: Decimal,
    reason: str,
    performed_by: str,
    now: datetime,
) -> UsageEvent:
    """Take credits off what an actor used this month, so that its cap has room again. The ledger is untouched.

    :raises NothingToForgive: if the actor used less than that
    """
    wallet, _ = lock(organization, now=now)
    month = periods.first_of_month(now)
    (counter,) = counters_of(wallet, month, [Subject(actor_id=actor.id)])
    if not 0 < credits <= counter.used:
        raise NothingToForgive(f"{counter.used:f} used this month, {credits:f} to forgive")
    (event,) = _forgive(wallet, {counter: credits}, ledger.Note(performed_by, now, reason))
    return event


FORGIVEN_AT_ONCE = 500
"""How many people are forgiven in one transaction."""


@transaction.atomic(savepoint=False)
def forgive_all(
    *,
    organization: Organization,
    reason: str,
    performed_by: str,
    now: datetime,
    group: Group | None = None,
    at_most: Decimal | None = None,
) -> list[UsageEvent]:
    """Forgive everybody of an organization, or of one of its groups, what they used this month: all of them or nobody.

    What entity groups share stays used: only what counts for each person is taken off.

    :param group: only its members
    :param at_most: how many credits of each; unless said, all
    :raises NothingToForgive: if nobody used anything
    :raises TooManyToForgive: if it is more people than one transaction forgives
    """
    wallet, _ = lock(organization, now=now)
    counters = list(counters_to_forgive(organization, now=now, group=group)[: FORGIVEN_AT_ONCE + 1])
    if len(counters) > FORGIVEN_AT_ONCE:
        raise TooManyToForgive(f"more than {FORGIVEN_AT_ONCE} people: forgive their groups instead")
    if not counters:
        raise NothingToForgive("nobody used anything this month")
    amounts = {each: each.used if at_most is None else min(each.used, at_most) for each in counters}
    return _forgive(wallet, amounts, ledger.Note(performed_by, now, reason))


def counters_to_forgive(
    organization: Organization, *, now: datetime, group: Group | None = None
) -> QuerySet[UsageCounter]:
    """Return what people used this month, of those who used something, each with the actor."""
    counters = UsageCounter.objects.filter(
        wallet__organization=organization,
        month=periods.first_of_month(now),
        actor__isnull=False,
        used__gt=0,
    )
    if group is not None:
        counters = counters.filter(actor__in=group.members.all())
    return counters.select_related("actor").order_by("actor_id")


def _forgive(
    wallet: Wallet, amounts: Mapping[UsageCounter, Decimal], note: ledger.Note
) -> list[UsageEvent]:
    """Take amounts off the counters of actors, on a locked wallet, each with an event that says so."""
    ledger.count_work(wallet, {counter: -credits for counter, credits in amounts.items()})
    events = [
        UsageEvent(
            organization_id=wallet.organization_id,
            source=FORGIVEN,
            actor_id=counter.actor_id,
            credits=-credits,
            list_credits=ZERO,
            month=counter.month,
            counter_ids=[counter.pk],
            metadata={"reason": note.reason, "performedBy": note.performed_by},
            occurred_at=note.posted_at,
            created_at=note.posted_at,
        )
        for counter, credits in amounts.items()
    ]
    for event in events:
        event.external_id = str(event.id)
    store(wallet, events)
    return events


class TooManyToForgive(Exception):
    """One transaction forgives so many people, and no more."""


class NothingToForgive(Exception):
    """An actor cannot be forgiven more than it used this month."""


@transaction.atomic(savepoint=False)
def _book(book: Book, portion: Sequence[Priced], note: ledger.Note) -> list[Result]:
    """Book some told work under the lock of its wallet, by the terms that are in force there: what of it was not booked before."""
    counted = lock_countable(book.organization, now=note.posted_at)
    if not book.is_current():
        terms.note_stale(book)
        book = terms.fresh(book.organization)
        portion = read_and_price(book, [each.told for each in portion], now=note.posted_at)
    require_active(book.organization)
    results, events = _decided(book, portion, counted)
    if not events:
        return list(results)
    charged = _charge(book, events, counted, note)
    _store(book, events, _count(book, events), charged)
    entries = {event.priced.told[:2]: _entry_of(event, charged) for event in events}
    return [
        each._replace(entry_id=entries.get((each.source, each.id), each.entry_id))
        for each in results
    ]


def _decided(
    book: Book, portion: Sequence[Priced], counted: Sequence[Countable]
) -> tuple[list[Result], list[_Event]]:
    """Return what becomes of each piece of work, and the events of those that are recorded."""
    booked = _earlier(book, portion)
    events: list[_Event] = []
    results = []
    for each in portion:
        key = (each.told.source, each.told.id)
        if key in booked:
            results.append(Result(*key, "duplicate", None, *booked[key]))
            continue
        event = _decide(each, book, counted)
        if isinstance(event, Result):
            results.append(event)
            continue
        events.append(event)
        booked[key] = (event.credits, None)
        results.append(Result(*key, "accepted", credits=event.credits))
    return results, events


def _entry_of(event: _Event, charged: ledger.Charged) -> UUID | None:
    """Return the entry that charged an event; none if it was free."""
    if event.period_id is None or not event.credits:
        return None
    return charged.entries.get(event.period_id)


def _rejected(told: Told, reason: str, code: str | None = None) -> Result:
    return Result(told.source, told.id, "rejected", reason=reason, code=code)


def known(organization: Organization, told: Sequence[Told]) -> Collection[Key]:
    """Return the keys of those of these pieces of work that are recorded already."""
    found: set[Key] = set()
    for begin in range(0, len(told), PORTION):
        found.update(_booked(organization.id, told[begin : begin + PORTION]))
    return found


def _earlier(book: Book, portion: Sequence[Priced]) -> dict[Key, Booked]:
    """Return what was charged for those of these pieces of work that are recorded already, and by which entry."""
    return _booked(book.organization.id, [each.told for each in portion])


def _booked(organization_id: UUID, told: Sequence[Told]) -> dict[Key, Booked]:
    sources, ids = [each.source for each in told], [each.id for each in told]
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, [sources, ids, organization_id])
        return {(source, id): booked for source, id, *booked in cursor.fetchall()}


def _decide(each: Priced, book: Book, counted: Sequence[Countable]) -> _Event | Result:
    """Return the event of one piece of work, or why it cannot be recorded."""
    if each.problem is not None:
        return _rejected(each.told, each.problem, each.code)
    if not each.told.charge:
        return _Event(each, each.cost, None, ())
    for period in counted:
        # A few minutes ahead of the open period still count in it.
        if period.starts_at <= each.told.occurred_at:
            break
    else:
        return _rejected(each.told, "occurredAt is before the previous billing period")
    if book.organization.byok:
        return _Event(each, ZERO, period.id, ())
    try:
        require_chargeable(book.config, each.cost)
    except ChargeTooLarge as error:
        return _rejected(each.told, str(error), "CHARGE_LIMIT")
    return _Event(each, each.cost, period.id, each.subjects)


def _charge(
    book: Book, events: Sequence[_Event], counted: Sequence[Countable], note: ledger.Note
) -> ledger.Charged:
    """Charge events to a locked wallet: one entry for each period that counts some. History alone only gets its positions."""
    amounts = {}
    for period in counted:
        if of_period := [event.credits for event in events if event.period_id == period.id]:
            amounts[period.id] = sum(of_period, ZERO)
    amounts = amounts or {counted[0].id: ZERO}
    return ledger.charge_told(book.wallet_id, amounts, events=len(events), note=note)


def _count(book: Book, events: Sequence[_Event]) -> dict[InMonth, int]:
    """Count events against every counter of their months; return the ids of these."""
    used: dict[InMonth, Decimal] = {}
    for event in events:
        for counted in event.counted_in:
            used[counted] = used.get(counted, ZERO) + event.credits
    return ledger.count(book.wallet_id, used)


def _store(
    book: Book,
    events: Sequence[_Event],
    counter_ids: Mapping[InMonth, int],
    charged: ledger.Charged,
) -> None:
    """Write events. As objects of the ORM they would take ten times as long as the database needs to insert them."""
    organization_id = str(book.organization.id)
    own_keys = book.organization.byok
    posted_at = charged.posted_at.isoformat()
    lines = []
    for event, position in zip(events, charged.positions, strict=True):
        counters = ",".join([str(counter_ids[each]) for each in event.counted_in])
        entry_id = _entry_of(event, charged) or NULL
        byok = own_keys and event.priced.told.charge
        lines.append(
            f"{new_id()}\t{organization_id}\t{entry_id}\t{event.credits:f}\t{{{counters}}}\t{byok}\tfalse\t"
            f"{posted_at}\t{position}\t{event.priced.line}\n"
        )
    with connection.cursor() as cursor, cursor.copy(_STORE) as copy:
        copy.write("".join(lines))
