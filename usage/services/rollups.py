"""Rollups: what events add up to, day by day, and the reports that read them.

The worker adds the events that came since its last visit, under the wallet's lock, under which events get their positions too, one behind
the other: nothing can slip in behind the mark. What was forgiven was used all the same, so reports leave forgiving out. A correction changes the credits of
the day of the work, and is no work of its own: it counts as no event. A report adds the tail that is beyond the mark, in one statement, so it is right whether the worker ran or not,
unless it is very far behind: then it is refused, since a report reads a bounded number of rows.

There are as many rollups as there are combinations of people, models and resources in a day. So what is asked for most stands beside them in
totals: by kind of work, by resource, by actor, of days and of months. A report reads whole months where it can. And what everybody used in a month, on
which model, stands where the largest of all organizations are found (`usage.services.most`).

Rollups and totals can be deleted, all or some of them, without changing a report: a trigger takes the mark of their organization along (migration
0002), without a mark they count for nothing, and the next visit begins from the first event.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple

from django.db import connection, transaction

from credits import ledger
from credits.models import Wallet
from organizations.models import Actor, Organization
from usage.models import MonthlyUse, RollupMark, UsageRollup, UsageTotal

Dimension = Literal[
    "day", "month", "work_type", "resource_type", "resource_id", "actor_id", "model_id"
]

PORTION = 500
"""How many events are added under one lock."""
TAIL = 20_000
"""How many events beyond the mark a report reads."""
DAY = timedelta(days=1)

_GROUPS = "work_type, resource_type, resource_id, model_id, actor_id"
_DAY = "(occurred_at AT TIME ZONE 'UTC')::date"
_OF_TOTALS = "organization_id, of, span, starts_on, work_type, resource_type, resource_id, actor_id"


def add_totals(rows: str) -> str:
    """Return the statement that adds rows of rollups, a table or a subquery, to the totals."""
    return f"""
    INSERT INTO usage_usagetotal AS t ({_OF_TOTALS}, credits, events)
    SELECT r.organization_id, kinds.of, spans.span, spans.starts_on,
        kinds.work_type, kinds.resource_type, kinds.resource_id, kinds.actor_id, sum(r.credits), sum(r.events)
    FROM {rows} AS r,
        LATERAL (VALUES ('day', day), ('month', date_trunc('month', day)::date)) AS spans (span, starts_on),
        LATERAL (VALUES
            ('work', work_type, '', '', NULL::uuid),
            ('resource', work_type, resource_type, resource_id, NULL),
            ('actor', '', '', '', actor_id)
        ) AS kinds (of, work_type, resource_type, resource_id, actor_id)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT ({_OF_TOTALS})
        DO UPDATE SET credits = t.credits + excluded.credits, events = t.events + excluded.events
    """


_OF_MONTHS = "organization_id, month, of, is_whole, actor_id, model_id"


def add_months(rows: str) -> str:
    """Return the statement that adds rows of rollups, a table or a subquery, to what each used in a month."""
    return f"""
    INSERT INTO usage_monthlyuse AS t ({_OF_MONTHS}, credits, events)
    SELECT r.organization_id, date_trunc('month', r.day)::date, kinds.of, kinds.is_whole, kinds.actor_id, kinds.model_id,
        sum(r.credits), sum(r.events)
    FROM {rows} AS r,
        LATERAL (VALUES
            ('organization', true, NULL::uuid, NULL::varchar),
            ('organization', false, NULL, model_id),
            ('person', true, actor_id, NULL),
            ('person', false, actor_id, model_id)
        ) AS kinds (of, is_whole, actor_id, model_id)
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ({_OF_MONTHS})
        DO UPDATE SET credits = t.credits + excluded.credits, events = t.events + excluded.events
    """


_ADD = f"""
    WITH told AS MATERIALIZED (
        SELECT organization_id, {_DAY} AS day, {_GROUPS}, sum(credits) AS credits,
            count(*) FILTER (WHERE corrects_id IS NULL) AS events
        FROM usage_usageevent
        WHERE organization_id = %s AND position > %s AND position <= %s AND source <> 'forgiven'
        GROUP BY organization_id, {_DAY}, {_GROUPS}
    ), rolled_up AS (
        INSERT INTO usage_usagerollup AS r (organization_id, day, {_GROUPS}, credits, events)
        SELECT organization_id, day, {_GROUPS}, credits, events FROM told
        ON CONFLICT (organization_id, day, work_type, resource_type, resource_id, model_id, actor_id)
            DO UPDATE SET credits = r.credits + excluded.credits, events = r.events + excluded.events
    ), totalled AS ({add_totals("told")})
    {add_months("told")}
"""
_MARKED = "EXISTS (SELECT FROM usage_rollupmark WHERE organization_id = %(organization)s)"
_ROLLUPS = f"""
    SELECT day, {_GROUPS}, credits, events FROM usage_usagerollup
    WHERE organization_id = %(organization)s AND day BETWEEN %(first)s AND %(last)s AND {_MARKED}
"""
_TOTALS = f"""
    SELECT starts_on, work_type, resource_type, resource_id, NULL, actor_id, %(sign_{{0}})s * credits, %(sign_{{0}})s * events
    FROM usage_usagetotal
    WHERE organization_id = %(organization)s AND of = %(of)s AND span = %(span_{{0}})s
        AND starts_on BETWEEN %(first_{{0}})s AND %(last_{{0}})s AND {_MARKED}
"""
_TAIL = f"""
    SELECT {_DAY} AS day, {_GROUPS}, credits, (corrects_id IS NULL)::int AS events
    FROM (
        SELECT * FROM usage_usageevent
        WHERE organization_id = %(organization)s
            AND position > coalesce((SELECT position FROM usage_rollupmark WHERE organization_id = %(organization)s), 0)
        ORDER BY position LIMIT {2 * TAIL}
    ) AS tail
    WHERE source <> 'forgiven' AND {_DAY} BETWEEN %(first)s AND %(last)s
"""
# The planner cannot know that it is short. In this order it goes by the index; and nobody tells so many while a report begins.
_COLUMNS: dict[Dimension, str] = {
    "day": "day",
    "month": "date_trunc('month', day)::date",
    "work_type": "work_type",
    "resource_type": "resource_type",
    "resource_id": "resource_id",
    "actor_id": "actor_id",
    "model_id": "model_id",
}
_OF: dict[UsageTotal.Of, set[Dimension]] = {
    UsageTotal.Of.WORK: {"day", "month", "work_type"},
    UsageTotal.Of.RESOURCE: {"resource_type", "resource_id", "work_type"},
    UsageTotal.Of.ACTOR: {"actor_id"},
}
"""Which dimensions the totals of each kind have."""


class RollupsBehind(Exception):
    """The rollups are so far behind that a report would read very many events: in a moment the worker has added them up."""

    wait: ClassVar[float] = 5


class Piece(NamedTuple):
    """Totals that a report adds: of which span, from when to when, both included; taken off where the sign is negative."""

    span: UsageTotal.Span
    first: date
    last: date
    sign: int = 1


@transaction.atomic(savepoint=False)
def roll_up(*, organization: Organization, now: datetime) -> int:
    """Add the next events that are beyond the mark to the rollups, and move the mark. Returns how many there were.

    No more than `PORTION` of them: who is behind by millions catches up portion by portion, and keeps the wallet for no longer than a
    request does.
    """
    (wallet,) = ledger.lock(organization.id)
    mark = RollupMark.objects.filter(organization=organization).first()
    if mark is None:
        for rows in (UsageRollup, UsageTotal, MonthlyUse):
            rows.objects.filter(organization=organization).delete()
        mark = RollupMark.objects.create(organization=organization, rolled_up_at=now)
    last = min(mark.position + PORTION, wallet.event_position)
    added = last - mark.position
    if not added:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [organization.id, mark.position, last])
    mark.position, mark.rolled_up_at = last, now
    mark.save(update_fields=["position", "rolled_up_at"])
    return added


def report(
    organization: Organization,
    *dimensions: Dimension,
    first_day: date,
    last_day: date,
    limit: int | None = None,
    largest_first: bool = True,
    only: Mapping[Dimension, Collection[Any]] | None = None,
) -> Sequence[dict[str, Any]]:
    """Return what an organization used from one day to another, both included, by these dimensions.

    Each row has the dimensions, `credits` and `events`, ordered by the dimensions; with a `limit` so many, the largest first
    unless said otherwise.

    :param only: of some dimensions the values that are looked at; None among them is work that has none
    :raises RollupsBehind: if so many events were not added up yet that it would take long
    """
    _require_near(organization)
    values: dict[str, Any] = {
        "organization": organization.id,
        "first": first_day,
        "last": last_day,
        "limit": limit,
    }
    rows = [_TAIL]
    of = next((of for of, known in _OF.items() if known.issuperset(dimensions)), None)
    if of is None:
        rows.append(_ROLLUPS)
    else:
        values["of"] = of
        for number, piece in enumerate(pieces_of(first_day, last_day, by_day="day" in dimensions)):
            rows.append(_TOTALS.format(number))
            values |= {f"{name}_{number}": each for name, each in piece._asdict().items()}
    among = []
    for name, wanted in (only or {}).items():
        values[f"only_{name}"] = ["" if each is None else str(each) for each in wanted]
        among.append(f"coalesce({_COLUMNS[name]}::text, '') = ANY(%(only_{name})s)")
    columns = ", ".join(f"{_COLUMNS[name]} AS {name}" for name in dimensions)
    order = "credits DESC, " if limit is not None and largest_first else ""
    numbers = ", ".join(str(number + 1) for number in range(len(dimensions)))
    statement = f"""
        SELECT {columns}, sum(credits) AS credits, sum(events)::bigint AS events
        FROM ({" UNION ALL ".join(rows)}) AS used
        WHERE {" AND ".join(among) or "true"}
        GROUP BY {numbers} HAVING sum(events) <> 0 OR sum(credits) <> 0
        ORDER BY {order}{numbers} LIMIT %(limit)s
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


_OF_ACTOR = f"""
    SELECT day, sum(credits) FROM (
        SELECT starts_on AS day, credits FROM usage_usagetotal
        WHERE organization_id = %(organization)s AND of = 'actor' AND span = 'day' AND starts_on = ANY (%(days)s)
            AND work_type = '' AND resource_type = '' AND resource_id = '' AND actor_id = %(actor)s AND {_MARKED}
        UNION ALL SELECT day, credits FROM ({_TAIL}) AS told WHERE actor_id = %(actor)s
    ) AS used GROUP BY 1
"""


def of_actor(actor: Actor, *, first_day: date, last_day: date) -> dict[date, Decimal]:
    """Return what a person or agent used on each day from one to another, both included, that they used anything on.

    :raises RollupsBehind: if so many events were not added up yet that it would take long
    """
    _require_near(actor.organization)
    values: dict[str, Any] = {
        "organization": actor.organization_id,
        "actor": actor.pk,
        "first": first_day,
        "last": last_day,
        "days": [first_day + n * DAY for n in range((last_day - first_day).days + 1)],
    }
    with connection.cursor() as cursor:
        cursor.execute(_OF_ACTOR, values)
        return dict(cursor.fetchall())


def _require_near(organization: Organization) -> None:
    """Refuse to read a tail that has no end. Positions have no gaps, so nothing is counted.

    :raises RollupsBehind: if it is too long
    """
    told = Wallet.objects.filter(organization=organization)
    found = told.values_list("event_position", "organization__rollup_mark__position").first()
    position, mark = found or (0, 0)
    behind = position - (mark or 0)
    if behind > TAIL:
        raise RollupsBehind(f"{behind} pieces of work are not added up yet; try again")


def pieces_of(first: date, last: date, *, by_day: bool) -> list[Piece]:
    """Return the totals that add up to these days: whole months, and of a part of one its days, or the month without the others."""
    if by_day:
        return [Piece(UsageTotal.Span.DAY, first, last)]
    days, months = [], []
    month = first.replace(day=1)
    while month <= last:
        end = (month + 31 * DAY).replace(day=1) - DAY
        parts = _of_month(month, end, max(first, month), min(last, end))
        days += [part for part in parts if part.span == UsageTotal.Span.DAY]
        months += [part for part in parts if part.span == UsageTotal.Span.MONTH]
        month = end + DAY
    if months:  # one behind the other
        days.append(Piece(UsageTotal.Span.MONTH, months[0].first, months[-1].last))
    return days


def _of_month(begin: date, end: date, first: date, last: date) -> list[Piece]:
    """Return what adds up to a part of a month, or to all of it: whatever are fewer days."""
    if 2 * (last - first).days < (end - begin).days:
        return [Piece(UsageTotal.Span.DAY, first, last)]
    before = Piece(UsageTotal.Span.DAY, begin, first - DAY, -1)
    after = Piece(UsageTotal.Span.DAY, last + DAY, end, -1)
    others = [piece for piece in (before, after) if piece.first <= piece.last]
    return [Piece(UsageTotal.Span.MONTH, begin, begin), *others]
