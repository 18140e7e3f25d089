"""How fast an organization uses its credits: the last thirty days, and how long what it has lasts: a range, or while there is little to go by, at the pace of the last fourteen."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from django.db.models import Sum

from credits.models import ZERO
from credits.services import Reading
from credits.templatetags.amounts import credits
from organizations.models import Organization
from usage.forecast import AHEAD, MOST, Span, days_until
from usage.models import Denial
from usage.services import rollups

DAYS = 30
RECENT = 14
DAY = timedelta(days=1)
LONG = 365
"""Beyond so many days a pace of two weeks says nothing."""


class Bar(NamedTuple):
    """What was used on one day, and how high its bar is, in percent of the highest."""

    day: date
    used: Decimal
    height: int


class Pace(NamedTuple):
    """The pace of an organization. Amounts in credits."""

    bars: Sequence[Bar]
    average: Decimal
    """A day, over the whole days that are behind us."""
    runway: str
    """How long what may be spent lasts, in words."""
    until_cap: str
    """When the cap is reached, in words; empty where that is not before it resets, or there is none."""


def pace_of(organization: Organization, reading: Reading, *, now: datetime) -> Pace | None:
    """Return how fast an organization uses its credits; None as long as so much work is not added up that reading it would take long."""
    today = now.date()
    try:
        rows = rollups.report(organization, "day", first_day=today - MOST * DAY, last_day=today)
    except rollups.RollupsBehind:
        return None
    used = {row["day"]: max(ZERO, row["credits"]) for row in rows}
    days = [today - back * DAY for back in reversed(range(DAYS))]
    since = organization.created_at.date()
    average = _average(used, today, since=since)
    available = reading.wallet.available
    span = days_until(float(available), _past(used, today, since=since))
    return Pace(
        bars=_bars([(day, used.get(day, ZERO)) for day in days]),
        average=average,
        runway=_runway(available, average, span),
        until_cap=_until_cap(reading, average, now),
    )


class Refused(NamedTuple):
    """How often work was refused in the last 24 hours."""

    times: int
    by_reason: Sequence[tuple[str, int]]
    """The most frequent first."""


def refused(organization: Organization, *, now: datetime) -> Refused:
    """Return how often work of an organization was refused of late, and why."""
    rows = Denial.objects.filter(organization=organization, created_at__gt=now - DAY)
    counts = rows.values_list("reason").annotate(times=Sum("times")).order_by("-times", "reason")
    by_reason = list(counts)
    return Refused(sum(times for _, times in by_reason), by_reason)


def _average(used: dict[date, Decimal], today: date, *, since: date) -> Decimal:
    """Return what a day uses: of the last fourteen whole ones, or of fewer where there are not as many; of today where it is the first."""
    whole = [today - back * DAY for back in range(1, RECENT + 1) if today - back * DAY >= since]
    behind = sum((used.get(day, ZERO) for day in whole), ZERO)
    return behind / len(whole) if whole else used.get(today, ZERO)


def _past(used: dict[date, Decimal], today: date, *, since: date) -> list[float]:
    """Return what was used on each whole day that the organization was there, the oldest first."""
    days = (today - back * DAY for back in range(MOST, 0, -1))
    return [float(used.get(day, ZERO)) for day in days if day > since]


def _bars(days: Sequence[tuple[date, Decimal]]) -> list[Bar]:
    highest = max(used for _, used in days)
    return [
        Bar(day, used, 0 if not highest else max(2 if used else 0, int(used * 100 / highest)))
        for day, used in days
    ]


def _runway(available: Decimal, average: Decimal, span: Span | None) -> str:
    if available <= 0:
        return "nothing left"
    if span is not None and span.first is not None:
        return _between(span.first, span.last)
    if average <= 0:
        return "no use"
    days = available / average
    return "over a year" if days > LONG else _days(days)


def _until_cap(reading: Reading, average: Decimal, now: datetime) -> str:
    cap, period = reading.wallet.config.monthly_cap, reading.period
    if cap is None or average <= 0:
        return ""
    left = cap - period.used - period.reserved
    if left <= 0:
        return "the cap is reached"
    days = left / average
    ends_in = Decimal((period.ends_at - now) / DAY)
    if days >= ends_in:
        return ""
    return f"the cap is reached in {_days(days)}, at {credits(round(average, 2))} a day"


def _between(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} to over {AHEAD} days"
    return _days(Decimal(first)) if first == last else f"{first} to {last} days"


def _days(days: Decimal) -> str:
    whole = int(days.to_integral_value(ROUND_DOWN))
    return "less than a day" if whole == 0 else f"{whole} day{'' if whole == 1 else 's'}"
