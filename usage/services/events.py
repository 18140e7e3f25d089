"""Work that was done without a hold, told afterwards: charged all the same, into debt if need be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from credits import ledger, periods
from credits.models import ZERO, BillingPeriod, LedgerEntry, Wallet
from credits.services.admission import ChargeTooLarge, require_chargeable
from credits.services.counters import ORGANIZATION, Subject, counters_of
from credits.services.locking import lock
from organizations.models import Actor, Group, Organization
from organizations.services import require_active
from usage.models import AIModel, UsageEvent
from usage.pricing import RateCard, Tokens, Unpriced, contradiction, price
from usage.services import limits, rates
from usage.services.settling import SOURCE, counts

MAX_AHEAD = timedelta(minutes=5)
FORGIVEN = "forgiven"
CORRECTION = "correction"
RERATED = "rerated"
RESERVED_SOURCES = (SOURCE, FORGIVEN, CORRECTION, RERATED)


@dataclass(frozen=True)
class Told:
    """One piece of work as a product tells it: `credits`, or `tokens` of a model."""

    source: str
    id: str
    occurred_at: datetime
    credits: Decimal | None = None
    tokens: Tokens | None = None
    model: str | None = None
    actor_id: UUID | None = None
    entity: str | None = None
    work_type: str = "ai"
    resource_type: str = ""
    resource_id: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one told piece of work."""

    source: str
    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = None
    credits: Decimal | None = None


@dataclass(frozen=True)
class _Known:
    """Everything that some told work refers to, read in a few queries."""

    models: Mapping[str, AIModel]
    cards: rates.Cards
    actors: Mapping[UUID, Actor]
    terms: Mapping[UUID, limits.ActorTerms]
    groups: Mapping[str, Group]


@transaction.atomic(savepoint=False)
def record(
    *, organization: Organization, told: Sequence[Told], performed_by: str, now: datetime
) -> list[Result]:
    """Record and charge work that was done, each piece once for ever, in the order in which it is told.

    Nothing is denied: the work is done. What is charged together makes one ledger entry for each billing period that counts it, and
    counts against every counter of its month. What cannot be recorded is rejected with a reason, and keeps nothing else from it.

    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    known = _read(organization, told, now=now)
    wallet, _ = lock(organization, now=now)
    require_active(wallet.organization)
    counted = _countable_periods(wallet)
    earlier = _earlier(organization, told)
    events: dict[tuple[str, str], UsageEvent] = {}
    results = []
    for each in told:
        key = (each.source, each.id)
        first = events.get(key) or earlier.get(key)
        if first is not None:
            results.append(Result(*key, "duplicate", credits=first.credits))
            continue
        problem = _problem(each, known, counted, now=now)
        made = problem or _make(each, known, wallet, now=now)
        if isinstance(made, str):
            results.append(Result(*key, "rejected", reason=made))
            continue
        events[key] = made
        results.append(Result(*key, "accepted", credits=made.credits))
    _charge(wallet, list(events.values()), counted, ledger.Note(performed_by, now))
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
    month = periods.month_of(now).starts_at.date()
    (counter,) = counters_of(wallet, month, [Subject(actor_id=actor.id)])
    if not 0 < credits <= counter.used:
        raise NothingToForgive(f"{counter.used:f} used this month, {credits:f} to forgive")
    ledger.count_work(wallet, {counter: -credits})
    event = UsageEvent(
        organization=organization,
        source=FORGIVEN,
        actor=actor,
        credits=-credits,
        list_credits=ZERO,
        month=month,
        counter_ids=[counter.pk],
        metadata={"reason": reason, "performedBy": performed_by},
        occurred_at=now,
        created_at=now,
    )
    event.external_id = str(event.id)
    event.save(force_insert=True)
    return event


class NothingToForgive(Exception):
    """An actor cannot be forgiven more than it used this month."""


def _read(organization: Organization, told: Sequence[Told], *, now: datetime) -> _Known:
    slugs = {each.model for each in told if each.model is not None}
    ids = {each.actor_id for each in told if each.actor_id is not None}
    keys = {each.entity for each in told if each.entity is not None}
    actors = list(organization.actors.filter(id__in=ids).select_related("profile"))
    groups = organization.groups.filter(kind=Group.Kind.ENTITY, key__in=keys)
    models = AIModel.objects.in_bulk(list(slugs))
    return _Known(
        models=models,
        cards=rates.cards_of(models.values(), until=now + MAX_AHEAD),
        actors={actor.id: actor for actor in actors},
        terms=limits.actor_terms(organization, actors) if actors else {},
        groups={group.key: group for group in groups},
    )


def _countable_periods(wallet: Wallet) -> list[BillingPeriod]:
    """The open billing period and the one before it: what work told now may still count in."""
    current = ledger.open_period(wallet)
    previous = wallet.periods.filter(index=current.index - 1).first() if current.index else None
    return [current, *([previous] if previous else [])]


def _earlier(organization: Organization, told: Sequence[Told]) -> dict[tuple[str, str], UsageEvent]:
    ids: dict[str, list[str]] = {}
    for each in told:
        ids.setdefault(each.source, []).append(each.id)
    wanted = Q()
    for source, external_ids in ids.items():
        wanted |= Q(source=source, external_id__in=external_ids)
    rows = UsageEvent.objects.filter(wanted, organization=organization)
    return {(row.source, row.external_id): row for row in rows}


def _problem(
    each: Told, known: _Known, counted: Sequence[BillingPeriod], *, now: datetime
) -> str | None:
    """Say why this piece of work cannot be recorded, if it cannot."""
    problems = (
        (each.source in RESERVED_SOURCES, f"source {each.source} is reserved"),
        (each.occurred_at > now + MAX_AHEAD, "occurredAt is more than 5 minutes ahead"),
        (
            each.occurred_at < counted[-1].starts_at,
            "occurredAt is before the previous billing period",
        ),
        (each.model is not None and each.model not in known.models, "unknown model"),
        (each.actor_id is not None and each.actor_id not in known.actors, "unknown actor"),
        (each.entity is not None and each.entity not in known.groups, "unknown entity"),
    )
    return next((problem for is_so, problem in problems if is_so), None)


def _make(each: Told, known: _Known, wallet: Wallet, *, now: datetime) -> UsageEvent | str:
    """Return the event of one piece of work, or why it has no price, or one that cannot be true."""
    organization = wallet.organization
    model = known.models[each.model] if each.model is not None else None
    try:
        card = rates.in_force(known.cards, model, each.occurred_at) if model else None
        cost = _cost(each, card)
        charged = ZERO if organization.byok else cost
        require_chargeable(wallet, charged)
    except (Unpriced, ChargeTooLarge) as error:
        return str(error)
    terms = known.terms.get(each.actor_id) if each.actor_id else None
    of_actor = terms.entity_group if terms else None
    group = known.groups[each.entity] if each.entity else of_actor
    return UsageEvent(
        organization=organization,
        source=each.source,
        external_id=each.id,
        actor_id=each.actor_id,
        group=group,
        model=model,
        work_type=each.work_type,
        resource_type=each.resource_type,
        resource_id=each.resource_id,
        credits=charged,
        list_credits=cost,
        rated_at=card.starts_at if card else None,
        month=periods.month_of(each.occurred_at).starts_at.date(),
        byok=organization.byok,
        note=contradiction(card, each.tokens) if card and each.tokens else "",
        occurred_at=each.occurred_at,
        created_at=now,
        **counts(each.tokens),
    )


def _cost(each: Told, card: RateCard | None) -> Decimal:
    if each.tokens is None:
        return each.credits or ZERO
    if card is None:
        raise Unpriced("tokens without a model have no price")
    return price(card, each.tokens, work_is_done=True)


def _charge(
    wallet: Wallet,
    events: Sequence[UsageEvent],
    counted: Sequence[BillingPeriod],
    note: ledger.Note,
) -> None:
    """Charge events to a locked wallet, one entry for each period that counts some, and store them."""
    for period in counted:
        of_period = [e for e in events if _period_of(e, counted) is period]
        amount = sum((event.credits for event in of_period), ZERO)
        if amount:
            entry = _charge_period(wallet, period, amount, note)
            for event in of_period:
                event.entry = entry
    _count(wallet, [event for event in events if not event.byok])
    UsageEvent.objects.bulk_create(events)


def _charge_period(
    wallet: Wallet, period: BillingPeriod, amount: Decimal, note: ledger.Note
) -> LedgerEntry:
    ledger.free(wallet, period, ZERO, used=amount)
    return ledger.charge(wallet, amount, counted_in=period, note=note)


def _period_of(event: UsageEvent, counted: Sequence[BillingPeriod]) -> BillingPeriod:
    """The period an event falls in; a few minutes ahead of the open one still counts in it."""
    return next((p for p in counted if p.starts_at <= event.occurred_at), counted[-1])


def _count(wallet: Wallet, events: Sequence[UsageEvent]) -> None:
    """Count events against every counter of their months."""
    by_month: dict[date, dict[Subject, list[UsageEvent]]] = {}
    for event in events:
        subjects = by_month.setdefault(event.month, {})
        for subject in _subjects(event):
            subjects.setdefault(subject, []).append(event)
    for month, subjects in by_month.items():
        counters = counters_of(wallet, month, list(subjects))
        totals = {}
        for counter, of_subject in zip(counters, subjects.values(), strict=True):
            totals[counter] = sum((event.credits for event in of_subject), ZERO)
            for event in of_subject:
                event.counter_ids.append(counter.pk)
        ledger.count_work(wallet, totals)


def _subjects(event: UsageEvent) -> list[Subject]:
    subjects = [ORGANIZATION]
    if event.actor_id is not None:
        subjects.append(Subject(actor_id=event.actor_id))
    if event.group_id is not None:
        subjects.append(Subject(group_id=event.group_id))
    if event.resource_type:
        subjects.append(Subject(resource_type=event.resource_type, resource_id=event.resource_id))
    return subjects
