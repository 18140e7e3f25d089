"""A month of one organization once more by other rules, through the product's own policy, prices and admission.

Work that was told after it was done is charged whatever the rules say, so only its price may differ. What was held is asked of two
courses, one by the rules as they are and one by those that are tried (`usage.what_if`). Denials are asked too: by other rules they might
have passed, and then they count at what they were estimated at. Movements that are not charges happen to both courses as they did.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from credits import periods
from credits.models import ZERO, LedgerEntry, Reservation, UsageCounter, Wallet
from organizations.models import Actor, Organization
from usage import what_if
from usage.models import AIModel, Denial, UsageEvent, WhatIfLine, WhatIfPart
from usage.services import limits, terms
from usage.services.book import Book
from usage.services.events import FORGIVEN
from usage.services.limits import ActorTerms
from usage.services.trial_prices import Otherwise, Prices, is_counted, scaled
from usage.services.trial_rules import Asked, Rules, offer, rules_of, tried
from usage.what_if import Course, Verdict

EVENTS_AT_ONCE = 500
SMALLEST = Decimal("0.000001")
SETTLE = LedgerEntry.Kind.SETTLE
KEPT, ADMITTED = WhatIfLine.Outcome.KEPT, WhatIfLine.Outcome.ADMITTED


@dataclass
class _Place:
    """How far a part is."""

    before: Course
    after: Course
    at: datetime
    position: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "at": self.at.isoformat(),
            "position": self.position,
        }


class _Needs(NamedTuple):
    """What a hold needs on the model that was asked for, and on its fallback."""

    asked: Decimal | None
    fallback: Decimal | None


class _Line(NamedTuple):
    """By what lines of an answer are told apart."""

    actor_id: UUID | None
    outcome: str
    refused_by: str


class Trial:
    """A portion of a month, once more."""

    def __init__(self, part: WhatIfPart, *, now: datetime) -> None:
        self.part, self.now = part, now
        self.changes = what_if.changes_of(part.what_if.changes)
        self.organization = part.organization
        self.wallet = Wallet.objects.select_related("config").get(organization=self.organization)
        first = part.what_if.month
        self.month = periods.month_of(periods.boundary(first.year, first.month, 1))
        self.book = terms.current(self.organization)
        self.place = self._place()
        self.lines = {
            _Line(line.actor_id, line.outcome, line.refused_by): line for line in part.lines.all()
        }

    def go_on(self) -> None:
        """Take the next events, and what happened between them, and keep how far that is."""
        self.look_ahead()
        self.go_through()

    def look_ahead(self) -> None:
        """Read the next events, and the rules by which both courses go."""
        self.events = self._events()
        self.is_last = len(self.events) < EVENTS_AT_ONCE
        self.until = self.month.ends_at if self.is_last else self.events[-1].occurred_at
        self._prepare(self.events, self.until)

    def try_rules_in_force(self) -> None:
        """Have the trial go by the rules that are in force by now, instead of the changes: something was written since they were read."""
        book = terms.fresh(self.organization)
        self.tried = self._rules(book, self._terms_of_people(book))

    def go_through(self) -> None:
        """Take what was read through both courses, and keep how far that is."""
        events, until = self.events, self.until
        for _, happen, what in sorted(self._happenings(events, until), key=lambda each: each[0]):
            happen(what)
        if events:
            self.place.position = events[-1].position
        self.place.at = until
        self.part.place = self.place.as_json()
        self.part.finished_at = self.now if self.is_last else None
        self._keep()

    def _place(self) -> _Place:
        kept = self.part.place
        if kept is not None:
            before, after = (what_if.course_of(kept[name]) for name in ("before", "after"))
            at = datetime.fromisoformat(kept["at"])
            return _Place(before, after, at, kept["position"])
        before_it = self.month.starts_at - timedelta(microseconds=1)
        return _Place(self._beginning(), self._beginning(), before_it)

    def _beginning(self) -> Course:
        """Return how the month began: what was there, and what its first billing period had used by then."""
        start = self.month.starts_at
        entries = LedgerEntry.objects.filter(wallet=self.wallet, posted_at__lt=start)
        last = entries.order_by("-number").first()
        course = Course(pool=last.balance_after if last else ZERO)
        period = self.wallet.periods.filter(starts_at__lt=start, ends_at__gt=start).first()
        if period is not None:
            used = _charged_in(self.organization, period.starts_at, start)
            course.periods[str(period.id)] = used
        return course

    def _events(self) -> list[UsageEvent]:
        of_month = UsageEvent.objects.filter(
            organization=self.organization, occurred_at__lt=self.month.ends_at, corrects=None
        )
        after = Q(occurred_at__gt=self.place.at) | Q(
            occurred_at=self.place.at, position__gt=self.place.position
        )
        found = of_month.exclude(source=FORGIVEN).filter(
            after, occurred_at__gte=self.place.at, charged=True, byok=False
        )
        related = found.select_related("model", "reservation", "entry")
        return list(related.order_by("occurred_at", "position")[:EVENTS_AT_ONCE])

    def _prepare(self, events: Sequence[UsageEvent], until: datetime) -> None:
        """Read what decides about these events, all of them at once."""
        self.net = _net(events)
        denials = Denial.objects.filter(organization=self.organization)
        self.denials = list(self._between(denials, until))
        counters = UsageCounter.objects.filter(
            id__in={id for event in events for id in _counters(event)}
        )
        self.keys = {counter.id: _key(counter) for counter in counters}
        self.people = {each.actor_id for each in (*events, *self.denials) if each.actor_id}
        self.actor_terms = self._terms_of_people(self.book)
        self.models = self._models(events)
        self.prices = Prices(self.changes, self.models.values(), self.book)
        self.rules = self._rules(self.book, self.actor_terms)
        self.tried = tried(self.rules, self.changes, self.actor_terms)
        self.billing = list(self.wallet.periods.order_by("starts_at"))

    def _terms_of_people(self, book: Book) -> dict[UUID, ActorTerms]:
        actors = Actor.objects.filter(id__in=self.people).select_related("profile")
        return limits.actor_terms(book.organization, list(actors))

    def _rules(self, book: Book, people: Mapping[UUID, ActorTerms]) -> Rules:
        """Return the rules of a book for these people, and for whom else these events count."""
        entities = (found.entity_group for found in self.actor_terms.values())
        keys = {key for key in self.keys.values() if key}
        keys |= {what_if.group_key(group.id) for group in entities if group is not None}
        return rules_of(book, people, keys)

    def _models(self, events: Sequence[UsageEvent]) -> dict[str, AIModel]:
        slugs = {event.model_id for event in events if event.model_id}
        slugs |= {e.reservation.requested_model for e in events if e.reservation}
        slugs |= {denial.model for denial in self.denials}
        models = AIModel.objects.in_bulk(slugs - {"", None})
        providers = {model.provider for model in models.values()}
        fallbacks = AIModel.objects.filter(provider__in=providers, is_fallback=True)
        self.fallbacks = {model.provider: model for model in fallbacks}
        return models | {model.slug: model for model in self.fallbacks.values()}

    def _happenings(
        self, events: Sequence[UsageEvent], until: datetime
    ) -> Iterator[tuple[datetime, Any, Any]]:
        """Return what happened, with its moment and what it does to the courses: of one moment, what makes room before what takes it."""
        for entry in self._movements(until):
            yield entry.posted_at, self._move, entry
        for event in self._forgiven(until):
            yield event.created_at, self._forgive, event
        for event in events:
            yield event.occurred_at, self._take, event
        for denial in self.denials:
            yield denial.created_at, self._ask_again, denial

    def _between(
        self, rows: QuerySet[Any], until: datetime, *, at: str = "created_at"
    ) -> QuerySet[Any]:
        """Return what happened since the last portion, within the month."""
        span = {f"{at}__gt": self.place.at, f"{at}__lte": until, f"{at}__lt": self.month.ends_at}
        return rows.filter(**span).order_by(at)

    def _movements(self, until: datetime) -> QuerySet[LedgerEntry]:
        """Return the entries that are no charges and take none back."""
        entries = LedgerEntry.objects.filter(wallet=self.wallet)
        others = entries.exclude(Q(kind=SETTLE) | Q(reverses__kind=SETTLE))
        return self._between(others, until, at="posted_at")

    def _forgiven(self, until: datetime) -> QuerySet[UsageEvent]:
        forgiven = UsageEvent.objects.filter(organization=self.organization, source=FORGIVEN)
        return self._between(forgiven, until)

    def _move(self, entry: LedgerEntry) -> None:
        for course in (self.place.before, self.place.after):
            course.pool += entry.amount

    def _forgive(self, event: UsageEvent) -> None:
        """Forgiving frees a person's limit; it touches no credits."""
        if event.actor_id is None:
            return
        key = what_if.actor_key(event.actor_id)
        for course in (self.place.before, self.place.after):
            course.taken[key] = max(ZERO, course.taken.get(key, ZERO) + event.credits)

    def _take(self, event: UsageEvent) -> None:
        """Take an event through both courses."""
        before = self.net[event.id]
        priced = self.prices.of(event, before)
        keys = [key for id in _counters(event) if (key := self.keys.get(id))]
        period = self._period_of(event)
        verdicts = Verdict(True), Verdict(True)
        after = priced
        if event.reservation is not None:
            verdicts, after = self._held(event, keys, period, before, priced)
        became = what_if.outcome(*verdicts)
        if became == "admitted":  # it was admitted in fact: the rules were others then
            became = KEPT
        after = ZERO if became == "refused" else after
        self.place.before.spend(before, keys=keys, period=period)
        self.place.after.spend(after, keys=keys, period=period)
        limit = verdicts[1].limit if became == "refused" else ""
        self._count(_Line(event.actor_id, became, limit), event.occurred_at, before, after)

    def _held(
        self,
        event: UsageEvent,
        keys: Sequence[str],
        period: str,
        before: Decimal,
        priced: Decimal,
    ) -> tuple[tuple[Verdict, Verdict], Decimal]:
        """Ask both courses about a hold; return what they say, and what its work costs by the trial."""
        hold = event.reservation
        assert hold is not None
        asked = self.models.get(hold.requested_model) or event.model
        is_other = asked is not None and event.model is not None and asked != event.model
        fallback = self._fallback_of(asked, hold.created_at)
        need = hold.foreseen
        other = asked if is_other else fallback
        otherwise = self.prices.otherwise(event, other)
        if other is not None and not is_counted(event):
            # Credits that were asked for are as many on any model.
            otherwise = Otherwise(need, scaled(need, before, priced))
        needs = (need, otherwise.before), (scaled(need, before, priced), otherwise.after)
        plain, trial = (_Needs(*(pair[::-1] if is_other else pair)) for pair in needs)
        work = Asked(event.actor_id, keys, period, offer(asked), need, None)
        verdicts = self._verdicts(
            work._replace(need=plain.asked or need, fallback=plain.fallback),
            work._replace(need=trial.asked or need, fallback=trial.fallback),
        )
        differs = is_counted(event) and verdicts[0].on_fallback != verdicts[1].on_fallback
        return verdicts, otherwise.after if differs and otherwise.after is not None else priced

    def _fallback_of(self, asked: AIModel | None, moment: datetime) -> AIModel | None:
        """Return what work may have fallen back to at a moment."""
        fallback = self.fallbacks.get(asked.provider) if asked else None
        return None if fallback is None or fallback.is_retired(moment) else fallback

    def _verdicts(self, plain: Asked, trial: Asked) -> tuple[Verdict, Verdict]:
        """Ask both courses, each by its rules."""
        return (
            self.rules.ask(plain, self.place.before, now=self.now),
            self.tried.ask(trial, self.place.after, now=self.now),
        )

    def _ask_again(self, denial: Denial) -> None:
        """Ask both courses about work that was refused: by other rules it might have passed."""
        model, need = self.models.get(denial.model), denial.needed
        if need is None or denial.reason in ("entitlement", "retired", "provider"):
            return
        keys, at = self._keys_of(denial.actor_id), denial.created_at
        period = self._period_at(at)
        asked = Asked(denial.actor_id, keys, period, offer(model), need, None)
        for _ in range(denial.times):
            before, after = self._verdicts(asked, asked)
            if what_if.outcome(before, after) != ADMITTED:
                return
            self.place.after.spend(need, keys=keys, period=period)
            self._count(_Line(denial.actor_id, ADMITTED, before.limit), at, ZERO, need)

    def _keys_of(self, actor_id: UUID | None) -> list[str]:
        """Return whom the work of a person counts for: themselves, and their entity group."""
        found = self.actor_terms.get(actor_id) if actor_id else None
        if actor_id is None or found is None:
            return []
        group = found.entity_group
        return [what_if.actor_key(actor_id), *([what_if.group_key(group.id)] if group else [])]

    def _period_of(self, event: UsageEvent) -> str:
        if event.reservation is not None:
            return str(event.reservation.period_id)
        if event.entry is not None and event.entry.counted_in_id is not None:
            return str(event.entry.counted_in_id)
        return self._period_at(event.occurred_at)

    def _period_at(self, moment: datetime) -> str:
        found = (p for p in self.billing if p.starts_at <= moment < p.ends_at)
        period = next(found, None)
        return str(period.id) if period else ""

    def _count(self, key: _Line, at: datetime, before: Decimal, after: Decimal) -> None:
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = WhatIfLine(
                part=self.part,
                actor_id=key.actor_id,
                outcome=key.outcome,
                refused_by=key.refused_by,
                pieces=0,
                credits_before=ZERO,
                credits_after=ZERO,
                first_at=at,
            )
        line.pieces += 1
        line.credits_before += before
        line.credits_after += after
        line.last_at = at
        self.part.credits_before += before
        self.part.credits_after += after

    def _keep(self) -> None:
        self.part.save()
        WhatIfLine.objects.bulk_create(
            self.lines.values(),
            update_conflicts=True,
            unique_fields=["part", "actor", "outcome", "refused_by"],
            update_fields=["pieces", "credits_before", "credits_after", "last_at"],
        )


def _net(events: Sequence[UsageEvent]) -> dict[UUID, Decimal]:
    """Return what each of these events came to in the end, with all that corrects it."""
    net = {event.id: event.credits for event in events}
    roots = {event.id: event.id for event in events}
    asked = set(roots)
    while asked:
        beside = UsageEvent.objects.filter(corrects__in=asked)
        asked = set()
        for id, corrects, credits in beside.values_list("id", "corrects", "credits"):
            if corrects is not None:
                roots[id] = roots[corrects]
                net[roots[id]] += credits
                asked.add(id)
    return net


def _counters(event: UsageEvent) -> Sequence[int]:
    """Return the ids of the month's counters that carry an event."""
    hold: Reservation | None = event.reservation
    return hold.counter_ids if hold is not None else event.counter_ids


def _key(counter: UsageCounter) -> str:
    """Return the key of whom a counter is of; empty for the organization's own."""
    if counter.actor_id is not None:
        return what_if.actor_key(counter.actor_id)
    if counter.group_id is not None:
        return what_if.group_key(counter.group_id)
    if counter.resource_type:
        return what_if.resource_key(counter.resource_type, counter.resource_id)
    return ""


def _charged_in(organization: Organization, since: datetime, until: datetime) -> Decimal:
    events = UsageEvent.objects.filter(
        organization=organization, charged=True, occurred_at__gte=since, occurred_at__lt=until
    )
    return events.exclude(source=FORGIVEN).aggregate(sum=Sum("credits"))["sum"] or ZERO
