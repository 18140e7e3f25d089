"""When a person, or those who share a budget, reach their limit: the same forecast as of the credits and the cap of an organization.

Limits are of calendar months, so a month begins anew. What a person used on each day is added up. What was drawn from a shared budget is not,
day by day: its counters say how much it was in a month, and that is taken to be spread over the days as all use of the organization is.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import NamedTuple

from credits.models import ZERO, UsageCounter
from credits.periods import month_of
from credits.services.counters import Subject
from organizations.models import Actor, Group, Organization
from organizations.services import status_in_force
from usage import foretold
from usage.flows import Cap, Flows, Lot
from usage.forecast import AHEAD, MOST
from usage.foretold import Prospect
from usage.services import forecasts, limits, rollups

DAY = timedelta(days=1)
Whose = Actor | Group


class LimitOutlook(NamedTuple):
    """When a limit is reached, as a range, and by what use that is reckoned."""

    organization: Organization
    whose: Whose
    now: datetime
    days: int
    """How far ahead is looked."""
    whole_days: int
    """Of how many days the use is known."""
    a_day: Decimal
    """What a day uses of late, in credits."""
    limit: Prospect | None
    """None where there is no limit; of a team too, of which each member has one."""
    resets_at: datetime
    """When the use begins to count anew."""


def limit_of(whose: Whose, *, now: datetime, days: int = AHEAD) -> LimitOutlook:
    """Return when a person reaches their limit, or a shared budget is used up, if nobody changes anything.

    :param days: how far ahead is looked
    :raises RollupsBehind: if so much work is not added up that reading it would take long
    """
    today, resets_at = now.date(), month_of(now).ends_at
    used = _used_by_day(whose, now=now)
    past = forecasts.whole_days(whose.created_at, used, today=today)
    cap, status = _cap_of(whose), _status_of(whose)
    limit = None if cap is None else foretold.stopped(status)
    if cap is not None and status == Organization.Status.ACTIVE:
        taken = sum((each.used + each.reserved for each in _counters(whose, today)), ZERO)
        resets = _resets(now, days)
        flows = Flows(past, [Lot(inf)], overdraft=None, cap=Cap(float(cap), float(taken), resets))
        said = foretold.limit_said(resets_at=resets_at)
        limit = forecasts.prospects(flows, [said] * 3, days=days, now=now)[1]
    return LimitOutlook(
        organization=whose.organization,
        whose=whose,
        now=now,
        days=days,
        whole_days=len(past),
        a_day=forecasts.pace(whose.created_at, used, today=today),
        limit=limit,
        resets_at=resets_at,
    )


def _cap_of(whose: Whose) -> Decimal | None:
    if isinstance(whose, Actor):
        return limits.actor_terms(whose.organization, [whose])[whose.pk].cap
    return limits.entity_group_caps([whose])[whose.pk] if _is_shared(whose) else None


def _is_shared(group: Group) -> bool:
    return group.kind == Group.Kind.ENTITY


def _status_of(whose: Whose) -> str:
    status = status_in_force(whose.organization)
    is_off = isinstance(whose, Actor) and not whose.active
    return "switched off" if is_off and status == Organization.Status.ACTIVE else status.value


def _resets(now: datetime, days: int) -> list[float]:
    """Return when months begin in the days ahead, in days from now."""
    found, begins = [], month_of(now).ends_at
    while begins < now + days * DAY:
        found.append((begins - now) / DAY)
        begins = month_of(begins).ends_at
    return found


def _used_by_day(whose: Whose, *, now: datetime) -> Mapping[date, Decimal]:
    first, today = now.date() - MOST * DAY, now.date()
    if isinstance(whose, Actor):
        found = rollups.of_actor(whose, first_day=first, last_day=today)
        return {day: max(ZERO, credits) for day, credits in found.items()}
    if not _is_shared(whose):
        return {}
    by_all = forecasts.used_by_day(whose.organization, now=now)
    drawn = {each.month: each.used for each in _counters(whose, first, today)}
    return _spread(drawn, by_all, first=first, last=today)


def _spread(
    drawn: Mapping[date, Decimal], by_all: Mapping[date, Decimal], *, first: date, last: date
) -> dict[date, Decimal]:
    """Return what was drawn in some months as if each day had its part as it has of all use; each the same where nothing was used."""
    found: dict[date, Decimal] = {}
    for month, credits in drawn.items():
        begins = max(month, first)
        ends = min((month + 31 * DAY).replace(day=1) - DAY, last)
        days = [begins + n * DAY for n in range((ends - begins).days + 1)]
        parts = {day: by_all.get(day, ZERO) for day in days}
        whole = sum(parts.values(), ZERO)
        share = credits * len(days) / ((ends - month).days + 1)
        for day, part in parts.items():
            found[day] = share * part / whole if whole else share / len(days)
    return found


def _counters(whose: Whose, first: date, last: date | None = None) -> list[UsageCounter]:
    """Return what was used and held of a limit in the months from that of one day to that of another, or of that one alone."""
    subject = Subject(actor_id=whose.pk) if isinstance(whose, Actor) else Subject(group_id=whose.pk)
    months = (first.replace(day=1), (last or first).replace(day=1))
    counters = UsageCounter.objects.filter(
        wallet__organization=whose.organization_id, month__range=months, **subject._asdict()
    )
    return list(counters)
