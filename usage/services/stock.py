"""Taking stock for the first page of the console: what all have, and what all use, day by day. How each stands is measured with it.

A page cannot ask ten thousand organizations. The worker asks them every few minutes, a portion at a time, and writes down what a page finds by
index. None of it decides about anything: credits and limits are asked where they are.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from usage.models import DailyUse, Stock
from usage.services import vitals

DAYS = 60
"""So many days are kept, today among them: thirty, and the thirty before."""
DAY = timedelta(days=1)

_ADD_UP_A_DAY = """
    INSERT INTO usage_dailyuse (day, model_id, credits, events)
    SELECT r.day, r.model_id, sum(r.credits), sum(r.events)
    FROM usage_usagerollup r
    JOIN organizations_organization o ON o.id = r.organization_id AND o.env = 'live'
    JOIN usage_rollupmark m ON m.organization_id = r.organization_id
    WHERE r.day = %s GROUP BY 1, 2
"""
_COUNT = """
    INSERT INTO usage_stock (id, taken_at, held, debt, reserved, open_holds, active, suspended, archived)
    SELECT 1, %s, coalesce(sum(w.balance) FILTER (WHERE w.balance > 0), 0), -coalesce(sum(w.balance) FILTER (WHERE w.balance < 0), 0),
        coalesce(sum(w.reserved), 0), coalesce(sum(w.open_holds), 0),
        count(*) FILTER (WHERE o.status = 'active'), count(*) FILTER (WHERE o.status = 'suspended'),
        count(*) FILTER (WHERE o.status = 'archived')
    FROM organizations_organization o LEFT JOIN credits_wallet w ON w.organization_id = o.id WHERE o.env = 'live'
    ON CONFLICT (id) DO UPDATE SET
        taken_at = excluded.taken_at, held = excluded.held, debt = excluded.debt, reserved = excluded.reserved,
        open_holds = excluded.open_holds, active = excluded.active, suspended = excluded.suspended, archived = excluded.archived
"""


def take_all(*, now: datetime) -> None:
    """Take stock of everything at once, where there is little of it."""
    after: UUID | None = None
    while (after := vitals.measure(after=after, now=now)) is not None:
        pass
    for day in days_to_add_up(now=now):
        add_up(day)
    count(now=now)


def days_to_add_up(*, now: datetime) -> Sequence[date]:
    """Return the days whose use is to be added up now: the last two; all that are new since the worker came last; and of the older ones
    another each time, for a correction changes the day of its work."""
    today = now.date()
    last = DailyUse.objects.order_by("-day").values_list("day", flat=True).first()
    first = today - (DAYS - 1) * DAY
    since = max(first, last - DAY) if last is not None else first
    rotated = first + (int(now.timestamp()) // 300 % DAYS) * DAY
    since = min(since, today - DAY)
    new = [since + n * DAY for n in range((today - since).days + 1)]
    return [*(day for day in (rotated,) if day < since), *new]


@transaction.atomic
def add_up(day: date) -> None:
    """Write what all used on a day in place of what was written, and forget the days that are too old."""
    DailyUse.objects.filter(day=day).delete()
    DailyUse.objects.filter(day__lte=day - DAYS * DAY).delete()
    with connection.cursor() as cursor:
        cursor.execute(_ADD_UP_A_DAY, [day])


def count(*, now: datetime) -> Stock:
    """Count what all have."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [now])
    return Stock.objects.get()
