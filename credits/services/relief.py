"""When a refusal ends by itself: what is read of a wallet for it, under its lock. What time does with that is in `credits.relief`.

Only what time does counts: nobody settles, releases, funds or edits anything. The parent is taken to have what it has now.
"""

import copy
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Sum

from credits import ledger, periods
from credits.ledger import Wanted
from credits.models import (
    ZERO,
    BillingPeriod,
    CreditConfig,
    Grant,
    PendingGrant,
    Reservation,
    UsageCounter,
    Wallet,
)
from credits.relief import Course, Ending, Event, State, first_pass
from credits.services.allowances import begin_terms, brought
from credits.services.beginning import still_pending
from credits.services.calendar import next_period

HORIZON = timedelta(days=400)
"""How far ahead is looked: beyond the end of a yearly term."""
ENDINGS = 1_000
"""How many holds are looked at one by one, in the order in which they end; those after them as if they ended with the last of all."""
LAPSES = 1_000
"""How many grants that end are looked at."""
CHANGES = 60
"""How many changes of a price, which nobody makes at that moment."""

Later = Callable[[datetime], tuple[Wanted | None, datetime | None]]
"""What is wanted at a later moment, by the prices of then, and from when on it would differ once more; nothing, if it may not be."""


class _Counted(NamedTuple):
    """Where a hold would be counted: its month's counters, the organization's own first, and its period."""

    month: date
    own: UsageCounter
    subjects: list[UsageCounter]
    period: BillingPeriod
    actor_id: UUID | None


def unblocks_at(wanted: Wanted, later: Later | None = None) -> datetime | None:
    """Return the earliest moment at which what was refused would pass without anybody's doing; None if time alone brings none.

    Asked under the wallet's lock, once what is due is posted and holds whose time has passed are given back.

    :param later: for work whose price or permission changes by itself
    """
    now = wanted.now
    wallet = Wallet.objects.select_related("organization", "config", "period").get(
        organization_id=wanted.organization_id
    )
    hold = _growing(wallet, wanted)
    counted = _counted(wallet, wanted, hold)
    course = Course(_state(wallet, wanted, counted, now=now), _endings(wallet, counted, now=now))
    asked = _Asked(wallet, wanted, hold)
    events = [
        *_calendar(wallet, counted, is_growing=hold is not None, now=now),
        *_lapses(wallet),
        *_beginnings(wallet),
        *_refills(wallet, wanted, now=now),
        *asked.changes(later, now=now),
    ]
    until = now + HORIZON if hold is None else hold.expires_at
    return _to_the_millisecond(first_pass(course, events, asked.passes, until=until))


def _to_the_millisecond(moment: datetime | None) -> datetime | None:
    """Return a moment as clients are told it: one that was cut short would come too early."""
    return moment and moment + timedelta(microseconds=-moment.microsecond % 1_000)


class _Asked:
    """What is asked at each moment: the admission's own question."""

    def __init__(self, wallet: Wallet, wanted: Wanted, hold: Reservation | None) -> None:
        self.config = wallet.config
        self.wanted: Wanted | None = wanted
        self.hold = hold
        self.spare = _spare(wanted) if wanted.parent_id else None

    def passes(self, state: State) -> bool:
        """Whether it would be held."""
        if self.wanted is None or self._is_crowded(state):
            return False
        if self.wanted.byok:
            return True
        outcome = self._decide(state, refills=state.may_refill)
        if outcome == "refill":
            amount = self.config.refill_amount or ZERO
            can = self.spare is not None and self.spare >= amount
            outcome = self._decide(state, refills=False, more=amount if can else ZERO)
        return outcome == "held"

    def changes(self, later: Later | None, *, now: datetime) -> list[Event]:
        """Return when what is wanted becomes something else, or nothing."""
        events: list[Event] = []
        _, moment = later(now) if later else (None, None)
        while later is not None and moment is not None and len(events) < CHANGES:
            wanted, after = later(moment)
            events.append(Event(moment, lambda _, wanted=wanted: self._become(wanted)))  # type: ignore[misc]
            moment = after if wanted is not None else None
        return events

    def _become(self, wanted: Wanted | None) -> None:
        self.wanted = wanted

    def _is_crowded(self, state: State) -> bool:
        config = self.config
        if self.hold is not None:
            return False
        if config.open_holds_limit is not None and state.holds >= config.open_holds_limit:
            return True
        most = config.actor_open_holds_limit
        return most is not None and state.holds_of_actor >= most

    def _decide(self, state: State, *, refills: bool, more: Decimal = ZERO) -> str:
        assert self.wanted is not None
        config, grows = self.config, self.hold is not None
        falls_back = config.when_empty == CreditConfig.WhenEmpty.FALLBACK
        needs = None
        if self.hold is not None:
            falls_back = not self.hold.is_charged
            needs = [self.wanted.candidates[0].need - self.hold.foreseen] * 2
        decision = ledger.decide(
            self.wanted,
            needs=needs,
            settled=state.settled,
            charge_limit=None if grows else config.charge_limit,
            caps=[*(each.cap for each in self.wanted.capped), config.monthly_cap],
            taken=[*state.subjects_taken, state.period_taken],
            unreserved=state.pool - state.reserved + more,
            overdraft=config.overdraft_limit,
            refill_threshold=config.refill_threshold if refills else None,
            falls_back=falls_back,
            free_limit=config.free_fallback_limit,
            free_taken=state.free_taken,
        )
        return decision.outcome


def _growing(wallet: Wallet, wanted: Wanted) -> Reservation | None:
    if wanted.kind != "grow":
        return None
    return wallet.reservations.select_related("period").get(id=wanted.reservation_id)


def _counted(wallet: Wallet, wanted: Wanted, hold: Reservation | None) -> _Counted:
    month = periods.first_of_month(hold.created_at if hold else wanted.now)
    subjects = [
        _counter(
            wallet,
            month,
            actor_id=each.actor_id,
            group_id=each.group_id,
            resource_type=each.resource_type,
            resource_id=each.resource_id,
        )
        for each in wanted.capped
    ]
    actor_id = next((each.actor_id for each in wanted.capped if each.actor_id), None)
    period = hold.period if hold else ledger.open_period(wallet)
    return _Counted(month, _counter(wallet, month), subjects, period, actor_id)


def _counter(
    wallet: Wallet,
    month: date,
    *,
    actor_id: UUID | None = None,
    group_id: UUID | None = None,
    resource_type: str = "",
    resource_id: str = "",
) -> UsageCounter:
    """Return what is counted of a subject; an empty one, where nothing is yet."""
    found = UsageCounter.objects.filter(
        wallet=wallet,
        month=month,
        actor=actor_id,
        group=group_id,
        resource_type=resource_type,
        resource_id=resource_id,
    ).first()
    return found or UsageCounter()


def _state(wallet: Wallet, wanted: Wanted, counted: _Counted, *, now: datetime) -> State:
    own, period = counted.own, counted.period
    cooldown_ends_at = wallet.refill_cooldown_ends_at
    return State(
        pool=wallet.balance,
        allowance=wallet.allowance_remaining,
        reserved=wallet.reserved,
        settled=own.used,
        free_taken=own.free_used + own.free_reserved,
        period_taken=period.used + period.reserved,
        subjects_taken=tuple(each.used + each.reserved for each in counted.subjects),
        holds=wallet.open_holds,
        holds_of_actor=_holds_of_actor(wallet, counted.actor_id),
        may_refill=wanted.parent_id is not None
        and (cooldown_ends_at is None or cooldown_ends_at <= now),
    )


def _holds_of_actor(wallet: Wallet, actor_id: UUID | None) -> int:
    """Count an actor's open holds, as far as that decides anything."""
    most = wallet.config.actor_open_holds_limit
    if actor_id is None or most is None or wallet.open_holds < most:
        return 0
    rows = wallet.reservations.filter(actor=actor_id, status=Reservation.Status.OPEN)
    return rows[: most + ENDINGS].count()


def _endings(wallet: Wallet, counted: _Counted, *, now: datetime) -> list[Ending]:
    """Return what the holds of a wallet give back, in the order in which they end."""
    rows = wallet.reservations.filter(status=Reservation.Status.OPEN)
    first = rows.order_by("expires_at").only(
        "expires_at", "credits", "free_credits", "counter_ids", "period_id", "actor_id"
    )[:ENDINGS]
    found = [_ending(hold, counted) for hold in first]
    if len(found) < ENDINGS or wallet.open_holds <= ENDINGS:
        return found
    last = rows.order_by("-expires_at").values_list("expires_at", flat=True)[0]
    return [*found, _rest(wallet, counted, found, last)]


def _ending(hold: Reservation, counted: _Counted) -> Ending:
    def of(counter: UsageCounter) -> Decimal:
        return hold.credits if counter.id in hold.counter_ids else ZERO

    return Ending(
        hold.expires_at,
        hold.credits,
        hold.free_credits if counted.own.id in hold.counter_ids else ZERO,
        hold.credits if hold.period_id == counted.period.id else ZERO,
        tuple(of(counter) for counter in counted.subjects),
        holds_of_actor=int(counted.actor_id is not None and hold.actor_id == counted.actor_id),
    )


def _rest(wallet: Wallet, counted: _Counted, found: list[Ending], last: datetime) -> Ending:
    """Return what all other holds give back: the rest of what is reserved."""
    return Ending(
        last,
        wallet.reserved - sum((each.credits for each in found), ZERO),
        counted.own.free_reserved - sum((each.free for each in found), ZERO),
        counted.period.reserved - sum((each.of_period for each in found), ZERO),
        tuple(
            counter.reserved - sum((each.of_subjects[at] for each in found), ZERO)
            for at, counter in enumerate(counted.subjects)
        ),
        wallet.open_holds - len(found),
        _holds_of_actor(wallet, counted.actor_id) - sum(each.holds_of_actor for each in found),
    )


def _calendar(wallet: Wallet, counted: _Counted, *, is_growing: bool, now: datetime) -> list[Event]:
    """Return the months, periods and terms that begin. A hold that grows stays in its own month and period."""
    events = []
    if not is_growing:
        month_ends_at = periods.month_of(now).ends_at
        events.append(Event(month_ends_at, Course.begin_month))
    ahead, config = copy.copy(wallet), wallet.config
    while (turns_at := ledger.open_period(ahead).ends_at) < now + HORIZON:
        period = next_period(ahead)
        if not is_growing:
            events.append(Event(turns_at, Course.begin_period))
        if period.starts_at == period.term_starts_at:
            begin_terms([period])
            most = ZERO if config.cancel_at_period_end else config.rollover_limit
            events.append(_term(turns_at, brought(period), most))
        ahead.period = period
    return events


def _term(at: datetime, brings: Decimal, most: Decimal) -> Event:
    return Event(at, lambda course: course.begin_term(brings, most))


def _lapses(wallet: Wallet) -> list[Event]:
    """Return when credits of a wallet end, besides the allowance with its term."""
    if wallet.lapse_at is None:
        return []
    term_ends_at = ledger.open_period(wallet).term_ends_at
    # By the index, and no further: a wallet may have thousands.
    grants = Grant.objects.filter(wallet=wallet, live=True, expires_at__isnull=False)
    next_ones = grants.order_by("expires_at", "id")[:LAPSES]
    return [
        _lapse(grant)
        for grant in next_ones
        if grant.expires_at is not None
        and not (grant.term_starts_at and grant.expires_at == term_ends_at)
    ]


def _lapse(grant: Grant) -> Event:
    assert grant.expires_at is not None
    credits, of_allowance = grant.remaining, grant.term_starts_at is not None
    return Event(grant.expires_at, lambda course: course.lapse(credits, of_allowance=of_allowance))


def _beginnings(wallet: Wallet) -> list[Event]:
    """Return when credits begin that are pending, and when they end again."""
    if wallet.lapse_at is None:
        return []
    return [event for pending in still_pending([wallet]) for event in _span(pending)]


def _span(pending: PendingGrant) -> list[Event]:
    left = [ZERO]

    def begin(course: Course) -> None:
        left[0] = max(ZERO, pending.amount - max(ZERO, -course.state.pool))
        course.state.pool += pending.amount

    events = [Event(pending.effective_at, begin)]
    if pending.expires_at is not None:
        events.append(
            Event(pending.expires_at, lambda course: course.lapse(left[0], of_allowance=False))
        )
    return events


def _refills(wallet: Wallet, wanted: Wanted, *, now: datetime) -> list[Event]:
    """Return when a refill may be tried again."""
    ends_at = wallet.refill_cooldown_ends_at
    if wanted.parent_id is None or ends_at is None or ends_at <= now:
        return []
    return [Event(ends_at, _may_refill)]


def _may_refill(course: Course) -> None:
    course.state.may_refill = True


def _spare(wanted: Wanted) -> Decimal:
    """Return what the parent could give now."""
    parent = Wallet.objects.get(organization=wanted.parent_id)
    ended = parent.reservations.filter(
        status=Reservation.Status.OPEN, expires_at__lte=wanted.now
    ).aggregate(sum=Sum("credits"))["sum"]
    return min(parent.prepaid, parent.unreserved + (ended or ZERO))
