"""What time does to usage, and to the books as a whole: the work that must see all three apps."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.contrib.sessions.models import Session
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from credits.reconcile import reconcile as reconcile_books
from credits.services import rehearsing
from credits.tasks import REHEARSE, RUN_REHEARSED, SEAL, VERIFY
from organizations import alerts, authentication, idempotency, jobs
from organizations.jobs import Portion, Work
from organizations.models import Organization
from organizations.tasks import ring
from usage.admin.many import DO_MANY, REHEARSE_MANY
from usage.reconcile import CHECKS
from usage.services import denials, imports, rollups, stock, vitals, what_if
from usage.services.drift import COMPARE
from usage.services.noticing import NOTICE
from usage.services.what_if import WHAT_IF

SESSIONS_AT_ONCE = 5_000
JOBS_KEPT = timedelta(days=90)
ALERTS_KEPT = timedelta(days=90)
"""How long an alert is kept after it was over."""
FREQUENT_JOBS_KEPT = timedelta(days=7)
FREQUENT = (
    "expire reservations",
    "end refill cooldowns",
    "lapse grants",
    "roll up usage",
    "take stock",
    "answer what-ifs",
    "import rows",
    "notice",
)


def _with_new_events(now: datetime) -> QuerySet[Organization]:
    marked = Organization.objects.annotate(rolled_up=Coalesce("rollup_mark__position", 0))
    behind = marked.filter(wallet__event_position__gt=F("rolled_up"))
    return Organization.objects.filter(id__in=behind.values("id"))


def _prune_jobs(*, now: datetime) -> int:
    frequent = jobs.prune(before=now - FREQUENT_JOBS_KEPT, kinds=FREQUENT)
    return frequent + jobs.prune(before=now - JOBS_KEPT)


def _prune_sessions(*, now: datetime) -> int:
    """Forget the logins that are over of whoever never came back, a batch at a time."""
    over = Session.objects.filter(expire_date__lte=now).order_by("expire_date")
    forgotten = 0
    while batch := list(over.values_list("session_key", flat=True)[:SESSIONS_AT_ONCE]):
        forgotten += over.model.objects.filter(session_key__in=batch).delete()[0]
    return forgotten


def _prune_alerts(*, now: datetime) -> int:
    return alerts.prune(before=now - ALERTS_KEPT)


PRUNED: tuple[Callable[..., int], ...] = (
    idempotency.prune,
    denials.prune,
    _prune_jobs,
    rehearsing.prune,
    what_if.prune,
    _prune_alerts,
    authentication.prune_counts,
    _prune_sessions,
    imports.prune,
)


def _prune(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Forget what nobody needs any more, one kind of it after another: answers after a day, denials after 30, jobs, alerts, rehearsals, what-ifs and imports after 90, counts and logins that are over."""
    number = place["kind"] if place else 0
    PRUNED[number](now=now)
    return Portion((), {"kind": number + 1} if number + 1 < len(PRUNED) else None)


def _reconcile(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Run the next check of the books: each on a snapshot of its own, for it compares nothing with what another one reads."""
    names = list(CHECKS)
    number = place["check"] if place else 0
    found = reconcile_books({name: CHECKS[name] for name in names[number : number + 1]})
    return Portion(found, {"check": number + 1} if number + 1 < len(names) else None)


def _take_stock(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Measure the next organizations; after the last of them, add up a day; and at the end count what all have."""
    place = place or {"after": None}
    if "days" not in place:
        after = UUID(place["after"]) if place["after"] else None
        last = vitals.measure(after=after, now=now)
        if last is not None:
            return Portion((), {"after": str(last)})
        return Portion((), {"days": [f"{day}" for day in stock.days_to_add_up(now=now)]})
    day, *days = place["days"]
    stock.add_up(date.fromisoformat(day))
    if days:
        return Portion((), {"days": days})
    stock.count(now=now)
    return Portion((), None)


def _roll_up(*, organization: Organization, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Add the next events of an organization. How far they are is in its mark: the place says only that there are more."""
    is_last = rollups.roll_up(organization=organization, now=now) < rollups.PORTION
    return Portion((), None if is_last else {})


ROLL_UP = Work("roll up usage", _roll_up, _with_new_events, in_portions=True)
PRUNE = Work("prune", _prune, in_portions=True)
TAKE_STOCK = Work("take stock", _take_stock, in_portions=True)
RECONCILE = Work("reconcile", _reconcile, is_audit=True, in_portions=True)
ALL_DAY = (SEAL, RECONCILE, VERIFY, PRUNE, COMPARE)
"""What is begun by the calendar only, and goes on whenever somebody rings."""

ASKED_FOR = (REHEARSE, RUN_REHEARSED, REHEARSE_MANY, DO_MANY)
"""What is due because somebody of the staff wants it."""


@shared_task(bind=True)
def roll_up_usage(self: "Task[..., int]") -> int:
    """Add the events that came since the last time to the rollups. The reports are right without it."""
    return ring(self, ROLL_UP)


@shared_task(bind=True)
def take_stock(self: "Task[..., int]") -> int:
    """Measure how customers stand, for the first page of the console and for alerts: near a cap, dry soon, in debt; and what all use, day by day."""
    return ring(self, TAKE_STOCK)


@shared_task(bind=True)
def answer_what_ifs(self: "Task[..., int]") -> int:
    """Go through a month once more by other rules, for every question of staff that is not answered yet."""
    return ring(self, WHAT_IF)


@shared_task(bind=True)
def import_rows(self: "Task[..., int]") -> int:
    """Look at the files that staff brought, and carry out those that they started."""
    return ring(self, imports.IMPORT, begin=imports.to_do().exists())


@shared_task(bind=True)
def notice(self: "Task[..., int]") -> int:
    """Look for what somebody of the staff should know: what is true now becomes an alert, and what is not any more ends it."""
    return ring(self, NOTICE)


@shared_task(bind=True)
def reconcile(self: "Task[..., int]") -> int:
    """Run every check of the books, and keep what it finds."""
    return ring(self, RECONCILE)


@shared_task(bind=True)
def compare_prices(self: "Task[..., int]") -> int:
    """Compare the rate card with the public price list, and keep where they differ and nobody accepted it. No price changes."""
    return ring(self, COMPARE)


@shared_task(bind=True)
def prune(self: "Task[..., int]") -> int:
    """Forget what nobody needs any more: answers after a day, denials after 30, jobs, alerts, rehearsals, what-ifs and imports after 90, counts and logins that are over."""
    return ring(self, PRUNE)


@shared_task(bind=True)
def resume(self: "Task[..., int]") -> int:
    """Go on with the audits and the like that a worker left, try again what failed, and do what staff asked for."""
    left = sum(ring(self, work, begin=False) for work in ALL_DAY)
    return left + sum(ring(self, work) for work in ASKED_FOR)
