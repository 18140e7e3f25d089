"""What tells how organizations stand, read of many at once: what they used, have, owe and hold, what of it ends, and what they were refused."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from credits import periods
from usage.candidates import Facts, Filling
from usage.forecast import MOST
from usage.services.flowing import REFILLED, REFILLS

DAY = timedelta(days=1)
ENDING_WITHIN = timedelta(days=14)

_READ = f"""
    WITH batch AS MATERIALIZED (
        SELECT o.id, o.parent_id, asked.days FROM organizations_organization o
        JOIN unnest(%(ids)s::uuid[], %(days)s::int[]) AS asked (id, days) ON asked.id = o.id
        WHERE o.status = 'active'
    ), refused AS (
        SELECT d.organization_id, sum(d.times) AS times FROM usage_denial d
        WHERE d.created_at > %(now)s - interval '24 hours' AND d.created_at <= %(now)s AND d.organization_id = ANY (%(ids)s) GROUP BY 1
    )
    SELECT b.id, b.parent_id, b.days, used.week, used.week_before, used.heaviest, w.balance, w.reserved, c.monthly_cap, c.overdraft_limit,
        CASE WHEN p.ends_at > %(now)s THEN p.used ELSE 0 END AS used, CASE WHEN p.ends_at > %(now)s THEN p.reserved ELSE 0 END AS held,
        p.ends_at, p.term_ends_at, c.term = 'year' AS yearly, c.anchored_on,
        CASE WHEN c.cancel_at_period_end THEN 0 ELSE c.allowance END AS allowance,
        c.refill_threshold IS NOT NULL AND b.parent_id IS NOT NULL AS is_refilled, c.refill_amount, c.refill_cooldown_seconds,
        w.refill_cooldown_ends_at, coalesce(refused.times, 0)::bigint AS refused, lots.ending, lots.first_at, lots.lapses,
        lots.lapses_with_term, lots.of_term, sent.a_day AS sends
    FROM batch b
    JOIN credits_wallet w ON w.organization_id = b.id
    JOIN credits_creditconfig c ON c.wallet_id = w.id
    LEFT JOIN credits_billingperiod p ON p.id = w.period_id
    LEFT JOIN refused ON refused.organization_id = b.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(credits) FILTER (WHERE back = 0), 0) AS week, coalesce(sum(credits) FILTER (WHERE back = 1), 0) AS week_before,
            coalesce(max(most), 0) AS heaviest
        FROM (
            SELECT (%(today)s - 1 - t.starts_on) / 7 AS back, sum(t.credits) AS credits, sum(greatest(t.credits, 0)) AS most
            FROM usage_usagetotal t
            WHERE t.organization_id = b.id AND t.of = 'work' AND t.span = 'day'
                AND t.starts_on BETWEEN %(today)s - {MOST} AND %(today)s - 1
            GROUP BY 1
        ) weeks
    ) used
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(g.remaining) FILTER (WHERE g.source <> 'allowance' AND is_ending), 0) AS ending,
            min(g.expires_at) FILTER (WHERE g.source <> 'allowance' AND is_ending) AS first_at,
            coalesce(sum(g.remaining) FILTER (WHERE lapses), 0) AS lapses,
            coalesce(sum(g.remaining) FILTER (WHERE lapses AND g.source = 'allowance' AND g.expires_at = p.term_ends_at), 0)
                AS lapses_with_term,
            coalesce(sum(g.remaining) FILTER (WHERE g.source = 'allowance'), 0) AS of_term
        FROM credits_grant g, LATERAL (
            SELECT g.expires_at > %(now)s AND g.expires_at <= %(ending_until)s AS is_ending,
                g.expires_at <= %(now)s + b.days * interval '1 day' AS lapses) ends
        WHERE g.wallet_id = w.id AND g.live AND g.expires_at IS NOT NULL
    ) lots
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(amount) / greatest(1, extract(epoch FROM %(now)s - min(posted_at)) / 86400), 0) AS a_day
        FROM (
            SELECT e.amount, e.posted_at FROM credits_ledgerentry e
            WHERE b.parent_id IS NULL AND e.wallet_id = w.id AND e.kind = 'refill' AND e.posted_at >= %(refilled_since)s
            ORDER BY e.posted_at DESC, e.number DESC LIMIT {REFILLS}
        ) refills
    ) sent
"""
_PAST = f"""
    SELECT t.organization_id, t.starts_on, sum(t.credits) FROM usage_usagetotal t
    WHERE t.organization_id = ANY (%(ids)s) AND t.of = 'work' AND t.span = 'day'
        AND t.starts_on BETWEEN %(today)s - {MOST} AND %(today)s - 1
    GROUP BY 1, 2
"""


class Reading(NamedTuple):
    """What was read of an organization that is active. Amounts are credits."""

    id: UUID
    parent_id: UUID | None
    days: int
    """How far ahead is looked."""
    week: Decimal
    """What it used in the last seven whole days, and in those before; and in the heaviest of eight such weeks."""
    week_before: Decimal
    heaviest: Decimal
    balance: Decimal
    reserved: Decimal
    monthly_cap: Decimal | None
    overdraft_limit: Decimal | None
    used: Decimal
    """What is settled in the running period, and what is held of it."""
    held: Decimal
    ends_at: datetime | None
    term_ends_at: datetime | None
    yearly: bool
    anchored_on: Any
    allowance: Decimal
    """Of the next term."""
    is_refilled: bool
    refill_amount: Decimal | None
    refill_cooldown_seconds: int
    refill_cooldown_ends_at: datetime | None
    refused: int
    """How many requests, in 24 hours."""
    ending: Decimal
    """What ends within two weeks of grants that do not come again with the term, and when the first of it does."""
    first_at: datetime | None
    lapses: Decimal
    lapses_with_term: Decimal
    of_term: Decimal
    """What is left of allowances."""
    sends: Decimal
    """What refills of children take in a day."""

    @property
    def debt(self) -> Decimal:
        return max(Decimal(0), -self.balance)

    @property
    def left(self) -> Decimal | None:
        """What work may still use, the overdraft included; None is without end."""
        if self.overdraft_limit is None:
            return None
        return max(Decimal(0), self.balance - self.reserved + self.overdraft_limit)

    @property
    def works(self) -> bool:
        """Whether anything left in the last fourteen whole days: who does nothing is in want of nothing."""
        return self.week + self.week_before > 0 or self.sends > 0


def read(days: Mapping[UUID, int], *, now: datetime) -> dict[UUID, Reading]:
    """Return how each of some organizations stands, if it is active, in one statement and without a lock.

    :param days: how far ahead is looked for each
    """
    values: dict[str, Any] = {
        "ids": list(days),
        "days": list(days.values()),
        "now": now,
        "today": now.date(),
        "ending_until": now + ENDING_WITHIN,
        "refilled_since": now - REFILLED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_READ, values)
        return {row[0]: Reading._make(row) for row in cursor}


def used_by_day(ids: Collection[UUID], *, now: datetime) -> dict[UUID, dict[Any, Decimal]]:
    """Return what each used on the whole days that a forecast goes by, as far as it is added up."""
    found: dict[UUID, dict[Any, Decimal]] = {id: {} for id in ids}
    with connection.cursor() as cursor:
        cursor.execute(_PAST, {"ids": list(ids), "today": now.date()})
        for id, day, credits in cursor:
            found[id][day] = max(Decimal(0), credits)
    return found


def facts_of(reading: Reading, parent: Reading | None, *, now: datetime) -> Facts:
    """Return what a reading says of what could happen.

    :param parent: the reading of the parent, where that refills it
    """
    overdraft, cap = reading.overdraft_limit, reading.monthly_cap
    unreserved = reading.balance - reading.reserved
    runs = reading.ends_at is not None and reading.ends_at > now
    return Facts(
        days=reading.days,
        heaviest=float(reading.heaviest),
        left=inf if overdraft is None else float(unreserved + overdraft),
        spare=float(min(unreserved, reading.balance - reading.of_term)),
        lapses=float(reading.lapses),
        lapses_with_term=float(reading.lapses_with_term),
        term_ends=inf if reading.term_ends_at is None else (reading.term_ends_at - now) / DAY,
        brings=float(reading.allowance) if _is_whole(reading) else 0.0,
        sends=float(reading.sends),
        cap_left=inf if cap is None else float(cap - reading.used - reading.held),
        cap_resets=(reading.ends_at - now) / DAY if runs and reading.ends_at else inf,
        filling=None if parent is None else _filling(reading, parent, now=now),
    )


def _is_whole(reading: Reading) -> bool:
    """Whether the next term begins at its anchor: one that does not brings less than a whole one."""
    if reading.term_ends_at is None:
        return False
    terms = {"yearly": reading.yearly, "anchored_on": reading.anchored_on}
    following = periods.term_from(reading.term_ends_at, **terms)
    return periods.whole_term_until(following.ends_at, **terms) == following


def _filling(reading: Reading, parent: Reading, *, now: datetime) -> Filling:
    ready_at = reading.refill_cooldown_ends_at
    return Filling(
        amount=float(reading.refill_amount or 0),
        cooldown=reading.refill_cooldown_seconds / DAY.total_seconds(),
        ready=0.0 if ready_at is None else max(0.0, (ready_at - now) / DAY),
        parent=facts_of(parent, None, now=now),
    )
