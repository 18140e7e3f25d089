"""The counts beside the menu: what somebody should look at. They stop counting early, and are one statement for a page."""

from datetime import timedelta

from django.http import HttpRequest

from organizations import clock
from organizations.statements import fetch_one
from usage.admin.waiting import TO_DECIDE, values_for

MOST = 99
DAY = timedelta(days=1)
_COUNTS = f"""
    SELECT
        (SELECT count(*) FROM (
            SELECT FROM usage_denial WHERE created_at > %s::timestamptz LIMIT {MOST + 1}) refused),
        (SELECT count(*) FROM ({TO_DECIDE} LIMIT {MOST + 1}) proposed),
        (SELECT count(*) FROM (
            SELECT FROM organizations_failure WHERE resolved_at IS NULL AND next_try_at IS NULL LIMIT {MOST + 1}) failed)
        + (SELECT count(*) FROM (
            SELECT FROM organizations_finding f WHERE f.job_id IN (
                SELECT DISTINCT ON (kind) id FROM organizations_job ORDER BY kind, started_at DESC) LIMIT {MOST + 1}) found)
        + (SELECT count(*) FROM (
            SELECT FROM organizations_alert WHERE resolved_at IS NULL AND acknowledged_at IS NULL
                AND (silenced_until IS NULL OR silenced_until <= %s::timestamptz) AND kind NOT IN ('job_failed', 'findings')
            LIMIT {MOST + 1}) noticed)"""


def badges(request: HttpRequest) -> dict[str, str]:
    """Return what waits in some rooms of the menu, by their names; a room in which nothing waits is left out.

    `refusals` of the last 24 hours, those of one actor, reason and minute as one; `approvals`: what others proposed and who looks may decide;
    `operations`: work that is left to staff, what the last audit of each kind found, and the other alerts that need somebody.
    """
    now = clock.now()
    found = fetch_one(_COUNTS, [now - DAY, *values_for(request.user, now=now), now])
    assert found is not None
    counts = zip(("refusals", "approvals", "operations"), found, strict=True)
    return {name: f"{MOST}+" if count > MOST else str(count) for name, count in counts if count}
