"""Taking stock for the first page of the console: what all use, day by day; who is near a cap, dry soon, in debt, refused, about to lose credits.

A page cannot ask ten thousand organizations. The worker asks them every few minutes, a portion at a time, each in one statement, and writes
down what a page finds by index. None of it decides about anything: credits and limits are asked where they are.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from organizations.models import Env, Organization
from usage.models import DailyUse, Stock, Vitals

PORTION = 500
DAYS = 60
"""So many days are kept, today among them: thirty, and the thirty before."""
DAY = timedelta(days=1)
DRY_WITHIN = timedelta(days=7)
ENDING_WITHIN = timedelta(days=14)
PACE = 14
"""Over how many whole days a pace is taken, or as many as there are."""

_BATCH = """
    WITH batch AS MATERIALIZED (
        SELECT id, created_at FROM organizations_organization WHERE id = ANY (%(ids)s) AND status = 'active'
    )
"""
_MEASURE = f"""
    {_BATCH}, refused AS (
        SELECT d.organization_id, sum(d.times) AS times FROM usage_denial d
        WHERE d.created_at > %(now)s - interval '24 hours' AND d.organization_id = ANY (%(ids)s) GROUP BY 1
    ), measured AS (
        SELECT b.id, used.week, used.before,
            CASE WHEN c.monthly_cap > 0 THEN
                least((CASE WHEN p.ends_at > %(now)s THEN p.used + p.reserved ELSE 0 END) / c.monthly_cap, 9999) END AS cap_share,
            w.balance, w.balance - w.reserved + c.overdraft_limit AS left_to_spend,
            (used.week + used.before) / greatest(1, least({PACE}, %(today)s - (b.created_at AT TIME ZONE 'UTC')::date)) AS pace,
            CASE WHEN (c.allowance > 0 OR c.allowance_per_user > 0) AND NOT c.cancel_at_period_end THEN p.term_ends_at END AS renews_at,
            c.refill_amount > 0 AND w.refill_retry_at IS NULL AS is_refilled,
            coalesce(refused.times, 0) AS refused, ending.credits AS ending, ending.first_at
        FROM batch b
        JOIN credits_wallet w ON w.organization_id = b.id
        JOIN credits_creditconfig c ON c.wallet_id = w.id
        LEFT JOIN credits_billingperiod p ON p.id = w.period_id
        LEFT JOIN refused ON refused.organization_id = b.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(t.credits) FILTER (WHERE t.starts_on >= %(today)s - 7), 0) AS week,
                coalesce(sum(t.credits) FILTER (WHERE t.starts_on < %(today)s - 7), 0) AS before
            FROM usage_usagetotal t
            WHERE t.organization_id = b.id AND t.of = 'work' AND t.span = 'day'
                AND t.starts_on BETWEEN %(today)s - {PACE} AND %(today)s - 1
        ) used
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(g.remaining), 0) AS credits, min(g.expires_at) AS first_at FROM credits_grant g
            WHERE g.wallet_id = w.id AND g.live AND g.expires_at > %(now)s AND g.expires_at <= %(ending_until)s
                AND g.source <> 'allowance'
        ) ending
    )
    INSERT INTO usage_vitals AS v (
        organization_id, week, week_before, change, cap_share, dry_at, debt, refused, ending, ends_at)
    SELECT id, week, before, week - before, cap_share,
        CASE WHEN pace > 0 AND balance >= 0 AND left_to_spend < pace * %(dry_days)s AND NOT coalesce(is_refilled, false)
            AND %(now)s + (greatest(left_to_spend, 0) / pace) * interval '1 day' < coalesce(renews_at, 'infinity')
        THEN %(now)s + (greatest(left_to_spend, 0) / pace) * interval '1 day' END,
        greatest(-balance, 0), refused, ending, first_at
    FROM measured
    ON CONFLICT (organization_id) DO UPDATE SET
        week = excluded.week, week_before = excluded.week_before, change = excluded.change, cap_share = excluded.cap_share,
        dry_at = excluded.dry_at, debt = excluded.debt, refused = excluded.refused, ending = excluded.ending, ends_at = excluded.ends_at
    WHERE (v.week, v.week_before, v.change, v.cap_share, v.dry_at, v.debt, v.refused, v.ending, v.ends_at) IS DISTINCT FROM (
        excluded.week, excluded.week_before, excluded.change, excluded.cap_share, excluded.dry_at, excluded.debt, excluded.refused,
        excluded.ending, excluded.ends_at)
"""
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
    while (after := measure(after=after, now=now)) is not None:
        pass
    for day in days_to_add_up(now=now):
        add_up(day)
    count(now=now)


@transaction.atomic
def measure(*, after: UUID | None, now: datetime) -> UUID | None:
    """Measure the next live organizations, in the order of their ids. Returns the last one, or None if there are no more.

    :param after: the last one of the portion before; None at the beginning
    """
    live = Organization.objects.filter(env=Env.LIVE).order_by("id")
    rows = live if after is None else live.filter(id__gt=after)
    ids = list(rows.values_list("id", flat=True)[:PORTION])
    # Whoever was stopped, or is gone, needs nobody's eye.
    Vitals.objects.filter(organization__in=ids).exclude(
        organization__status=Organization.Status.ACTIVE
    ).delete()
    values: dict[str, Any] = {
        "ids": ids,
        "now": now,
        "today": now.date(),
        "dry_days": DRY_WITHIN.days,
        "ending_until": now + ENDING_WITHIN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MEASURE, values)
    return ids[-1] if len(ids) == PORTION else None


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
