"""What Purser notices by itself, besides how customers stand (`usage.services.vitals`): what is wrong with the whole installation, and the people
and shared budgets that are near their cap, a portion of organizations at a time.

Each look reads a few statements for its portion, by indexes, and takes no lock: nothing of it is needed for a right answer. What it sees
is compared with the alerts that are open (`organizations/alerts.py`).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from organizations import alerts
from organizations.jobs import Portion, Work
from organizations.models import Alert, Env, Organization
from usage.services.noticing import calendar, people

Kind = Alert.Kind
AT_ONCE = 200
"""The people of so many organizations are looked at together."""
OF_PEOPLE = (Kind.PERSON_NEAR_CAP, Kind.SHARED_NEAR_CAP, Kind.BUDGET)
OF_THE_WHOLE = (Kind.JOB_FAILED, Kind.FINDINGS, Kind.TASK_LATE, Kind.TASK_OFF)


def notice(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Take the next look: what concerns the whole installation first, and then organization by organization, in the order of their ids."""
    if place is None:
        found = list(calendar.see(now))
        alerts.keep(found, kinds=OF_THE_WHOLE, among=Q(organization=None), now=now)
        return Portion((), {"after": None})
    last = _look(place["after"] and UUID(place["after"]), now)
    return Portion((), None if last is None else {"after": str(last)})


def _look(after: UUID | None, now: datetime) -> UUID | None:
    """Look at the people of the next organizations. Returns the last of these; None where there are no more."""
    there = Organization.objects.filter(env=Env.LIVE).exclude(status=Organization.Status.ARCHIVED)
    rows = there if after is None else there.filter(id__gt=after)
    ids = list(rows.order_by("id").values_list("id", flat=True)[:AT_ONCE])
    last = ids[-1] if len(ids) == AT_ONCE else None
    seen, among = list(people.see(ids, now)), alerts.about(after, last)
    alerts.keep(seen, kinds=OF_PEOPLE, among=among, now=now)
    return last


NOTICE = Work("notice", notice, in_portions=True)
