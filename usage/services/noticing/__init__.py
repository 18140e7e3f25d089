"""What Purser notices by itself: a job goes through all that may be wrong, one kind of look after another, a portion of organizations at a time.

Each look reads a few statements for its portion, by indexes, and takes no lock: nothing of it is needed for a right answer. What it sees
is compared with the alerts that are open (`organizations/alerts.py`).
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from organizations import alerts
from organizations.alerts import Noticed
from organizations.jobs import Portion, Work
from organizations.models import Alert, Env, Organization
from usage.services.noticing import calendar, money, people, refusals

Kind = Alert.Kind


class Look(NamedTuple):
    """What is looked for together in a portion of organizations, and how many are one."""

    kinds: Collection[Kind]
    see: Callable[[Collection[UUID], datetime], Iterable[Noticed]]
    at_once: int = 1_000


OF_ORGANIZATIONS = (
    Look((Kind.NEAR_CAP, Kind.DRY_SOON, Kind.IN_DEBT, Kind.DEBT_GROWN), money.see),
    Look((Kind.REFUSALS,), refusals.see),
    Look((Kind.PERSON_NEAR_CAP, Kind.SHARED_NEAR_CAP, Kind.BUDGET), people.see, at_once=200),
)
OF_THE_WHOLE = (Kind.JOB_FAILED, Kind.FINDINGS, Kind.TASK_LATE, Kind.TASK_OFF)


def notice(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Take the next look: what concerns the whole installation first, and then organization by organization, in the order of their ids."""
    if place is None:
        found = list(calendar.see(now))
        alerts.keep(found, kinds=OF_THE_WHOLE, among=Q(organization=None), now=now)
        return Portion((), {"look": 0, "after": None})
    number, after = place["look"], place["after"]
    last = _look(OF_ORGANIZATIONS[number], after and UUID(after), now)
    if last is not None:
        return Portion((), {"look": number, "after": str(last)})
    is_over = number + 1 == len(OF_ORGANIZATIONS)
    return Portion((), None if is_over else {"look": number + 1, "after": None})


def _look(look: Look, after: UUID | None, now: datetime) -> UUID | None:
    """Look at the next organizations. Returns the last of them; None where there are no more."""
    there = Organization.objects.filter(env=Env.LIVE).exclude(status=Organization.Status.ARCHIVED)
    among = Q(organization__isnull=False)
    if after is not None:
        there, among = there.filter(id__gt=after), Q(organization__gt=after)
    ids = list(there.order_by("id").values_list("id", flat=True)[: look.at_once])
    last = ids[-1] if len(ids) == look.at_once else None
    if last is not None:
        among &= Q(organization__lte=last)
    alerts.keep(list(look.see(ids, now)), kinds=look.kinds, among=among, now=now)
    return last


NOTICE = Work("notice", notice, in_portions=True)
