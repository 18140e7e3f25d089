"""Rollups: what events add up to, day by day, and the reports that read them.

The worker adds the events that came since its last visit, under the wallet's lock, under which events get their positions too, one behind
the other: nothing can slip in behind the mark. What was forgiven was used all the same, so reports leave forgiving out. A correction changes the credits of
the day of the work, and is no work of its own: it counts as no event. A report adds the tail that is beyond the mark, in one statement, so it is right whether the worker ran or not.

Rollups can be deleted, all or some of them, without changing a report: a trigger takes the mark of their organization along (migration
0002), without a mark rollups count for nothing, and the next visit begins from the first event.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from django.db import connection, transaction

from credits import ledger
from organizations.models import Organization
from usage.models import RollupMark, UsageRollup

Dimension = Literal[
    "day", "month", "work_type", "resource_type", "resource_id", "actor_id", "model_id"
]

PORTION = 2_000
"""How many events are added under one lock."""

_GROUPS = "work_type, resource_type, resource_id, model_id, actor_id"
_DAY = "(occurred_at AT TIME ZONE 'UTC')::date"
_ADD = f"""
    INSERT INTO usage_usagerollup AS r (organization_id, day, {_GROUPS}, credits, events)
    SELECT organization_id, {_DAY} AS day, {_GROUPS}, sum(credits), count(*) FILTER (WHERE corrects_id IS NULL)
    FROM usage_usageevent
    WHERE organization_id = %s AND position > %s AND position <= %s AND source <> 'forgiven'
    GROUP BY organization_id, {_DAY}, {_GROUPS}
    ON CONFLICT (organization_id, day, work_type, resource_type, resource_id, model_id, actor_id)
        DO UPDATE SET credits = r.credits + excluded.credits, events = r.events + excluded.events
"""
_ROWS = f"""
    SELECT day, {_GROUPS}, credits, events FROM usage_usagerollup
    WHERE organization_id = %(organization)s
        AND EXISTS (SELECT FROM usage_rollupmark WHERE organization_id = %(organization)s)
    UNION ALL
    SELECT {_DAY}, {_GROUPS}, credits, (corrects_id IS NULL)::int FROM usage_usageevent
    WHERE organization_id = %(organization)s AND source <> 'forgiven' AND position > coalesce(
        (SELECT position FROM usage_rollupmark WHERE organization_id = %(organization)s), 0
    )
"""
_COLUMNS: dict[Dimension, str] = {
    "day": "day",
    "month": "date_trunc('month', day)::date",
    "work_type": "work_type",
    "resource_type": "resource_type",
    "resource_id": "resource_id",
    "actor_id": "actor_id",
    "model_id": "model_id",
}


@transaction.atomic(savepoint=False)
def roll_up(*, organization: Organization, now: datetime) -> int:
    """Add the next events that are beyond the mark to the rollups, and move the mark. Returns how many there were.

    No more than `PORTION` of them: who is behind by millions catches up portion by portion, and keeps the wallet for no longer than a
    request does.
    """
    (wallet,) = ledger.lock(organization.id)
    mark = RollupMark.objects.filter(organization=organization).first()
    if mark is None:
        UsageRollup.objects.filter(organization=organization).delete()
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
) -> Sequence[dict[str, Any]]:
    """Return what an organization used from one day to another, both included, by these dimensions.

    Each row has the dimensions, `credits` and `events`, ordered by the dimensions; with a `limit` so many, the largest first
    unless said otherwise.
    """
    columns = ", ".join(f"{_COLUMNS[name]} AS {name}" for name in dimensions)
    order = "credits DESC, " if limit is not None and largest_first else ""
    numbers = ", ".join(str(number + 1) for number in range(len(dimensions)))
    statement = f"""
        SELECT {columns}, sum(credits) AS credits, sum(events)::bigint AS events
        FROM ({_ROWS}) AS used WHERE day BETWEEN %(first)s AND %(last)s
        GROUP BY {numbers} ORDER BY {order}{numbers} LIMIT %(limit)s
    """
    values: dict[str, Any] = {
        "organization": organization.id,
        "first": first_day,
        "last": last_day,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
