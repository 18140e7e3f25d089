"""The counts beside the menu: what somebody should look at. They stop counting early, and are one statement for a page."""

from datetime import timedelta
from typing import NamedTuple

from django.http import HttpRequest

from organizations import clock
from organizations.models import Alert
from organizations.statements import fetch_one
from usage.admin.waiting import undecided

MOST = 99
DAY = timedelta(days=1)
_COUNTS = """
    SELECT
        (SELECT count(*) FROM (
            SELECT FROM usage_denial WHERE created_at > %s::timestamptz LIMIT {most}) refused),
        (SELECT count(*) FROM ({undecided} LIMIT {most}) proposed),
        (SELECT count(*) FROM (
            SELECT FROM organizations_failure WHERE resolved_at IS NULL AND next_try_at IS NULL LIMIT {most}) failed)
        + (SELECT count(*) FROM (
            SELECT FROM organizations_finding f WHERE f.job_id IN (
                SELECT DISTINCT ON (kind) id FROM organizations_job ORDER BY kind, started_at DESC) LIMIT {most}) found),
        (SELECT count(*) FROM (
            SELECT FROM organizations_alert WHERE resolved_at IS NULL AND acknowledged_at IS NULL
                AND (silenced_until IS NULL OR silenced_until <= %s::timestamptz) AND kind NOT IN ('job_failed', 'findings')
            LIMIT {most}) noticed),
        EXISTS (SELECT FROM organizations_alert WHERE resolved_at IS NULL AND acknowledged_at IS NULL AND severity = {critical}
            AND (silenced_until IS NULL OR silenced_until <= %s::timestamptz))"""


class Badge(NamedTuple):
    """How many of something there are to look at, and whether something is wrong: else it only waits."""

    shown: str
    is_wrong: bool = False


def badges(request: HttpRequest) -> dict[str, Badge]:
    """Return what waits in some rooms of the menu, by their names; a room in which nothing waits is left out.

    `refusals` of the last 24 hours, those of one actor, reason and minute as one; `approvals`: what others proposed and who looks may decide;
    `operations`: work that is left to staff, what the last audit of each kind found, and the other alerts that need somebody. Wrong is
    only what the last of these may hold: work that failed, findings, an alert that is critical.
    """
    now = clock.now()
    waiting, values = undecided(request.user, now=now)
    sql = _COUNTS.format(undecided=waiting, most=MOST + 1, critical=Alert.Severity.CRITICAL.value)
    found = fetch_one(sql, [now - DAY, *values, now, now])
    assert found is not None
    refusals, approvals, wrong, noticed, is_critical = found
    counts = {"refusals": refusals, "approvals": approvals, "operations": wrong + noticed}
    is_wrong = {"operations": bool(wrong or is_critical)}
    return {
        name: Badge(f"{MOST}+" if count > MOST else str(count), is_wrong.get(name, False))
        for name, count in counts.items()
        if count
    }
