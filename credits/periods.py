"""Billing-period arithmetic. Pure functions of datetimes: no models, no clock.

Every period is `[starts_at, ends_at)` in UTC, and every boundary is computed from the anchor's day of the month, never from
the boundary before it: counting on from 28 February would turn the 31st into the 28th for ever.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

MICROSECOND = timedelta(microseconds=1)


class Period(NamedTuple):
    """A half-open span of time: the end belongs to the next one."""

    starts_at: datetime
    ends_at: datetime


def boundary(year: int, month: int, anchor_day: int) -> datetime:
    """Return midnight of the anchor's day in that month, or of its last day if it has no such day."""
    last_day = monthrange(year, month)[1]
    return datetime(year, month, min(anchor_day, last_day), tzinfo=UTC)


def _months_from(moment: datetime, count: int) -> tuple[int, int]:
    months = moment.year * 12 + moment.month - 1 + count
    return months // 12, months % 12 + 1


def boundary_after(moment: datetime, anchor_day: int) -> datetime:
    """Return the first monthly boundary strictly after `moment`."""
    this_month = boundary(moment.year, moment.month, anchor_day)
    if this_month > moment:
        return this_month
    return boundary(*_months_from(moment, 1), anchor_day)


def boundary_until(moment: datetime, anchor_day: int) -> datetime:
    """Return the last monthly boundary at or before `moment`."""
    this_month = boundary(moment.year, moment.month, anchor_day)
    if this_month <= moment:
        return this_month
    return boundary(*_months_from(moment, -1), anchor_day)


def anniversary_after(moment: datetime, anchored_on: date) -> datetime:
    """Return the first anniversary of `anchored_on` strictly after `moment`."""
    this_year = boundary(moment.year, anchored_on.month, anchored_on.day)
    if this_year > moment:
        return this_year
    return boundary(moment.year + 1, anchored_on.month, anchored_on.day)


def first_of_month(moment: datetime) -> date:
    """Return the first day of the UTC calendar month that contains `moment`."""
    return moment.astimezone(UTC).date().replace(day=1)


def month_of(moment: datetime) -> Period:
    """Return the UTC calendar month that contains `moment`."""
    moment = moment.astimezone(UTC)
    return Period(boundary_until(moment, 1), boundary_after(moment, 1))


def period_containing(moment: datetime, anchored_on: date) -> Period:
    """Return the anchored billing period that contains `moment`."""
    moment = moment.astimezone(UTC)
    return Period(boundary_until(moment, anchored_on.day), boundary_after(moment, anchored_on.day))


def term_from(starts_at: datetime, *, yearly: bool, anchored_on: date) -> Period:
    """Return the term that begins at a boundary: to the next one of the month, or of the year.

    A term that begins off its anchor (the anchor was moved) is a short one, a stub, and the next is back in step.
    """
    if yearly:
        return Period(starts_at, anniversary_after(starts_at, anchored_on))
    return Period(starts_at, boundary_after(starts_at, anchored_on.day))


def whole_term_until(ends_at: datetime, *, yearly: bool, anchored_on: date) -> Period:
    """Return the whole term that ends at a boundary of its anchor: what a shorter one with this end is a part of."""
    if not yearly:
        return Period(boundary_until(ends_at - MICROSECOND, anchored_on.day), ends_at)
    year = ends_at.year
    while boundary(year, anchored_on.month, anchored_on.day) >= ends_at:
        year -= 1
    return Period(boundary(year, anchored_on.month, anchored_on.day), ends_at)


def days_between(moment: datetime, ends_at: datetime) -> int:
    """Return how many days there are from a moment to a midnight, its own day included."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (ends_at - day).days


def by_days(amount: Decimal, days: int, whole_days: int) -> Decimal:
    """Return what a part of a whole term brings of an amount: by days, rounded down at six places."""
    return Decimal(int(amount * 1_000_000) * days // whole_days) / 1_000_000


def periods_from(starts_at: datetime, anchor_day: int) -> Iterator[Period]:
    """Yield the billing periods from `starts_at` on, for ever."""
    while True:
        ends_at = boundary_after(starts_at, anchor_day)
        yield Period(starts_at, ends_at)
        starts_at = ends_at
