"""Whether the calendar is alive: which tasks should have been rung for by now, and were not; and which are switched off.

A wrong answer needs no worker to be right, so nobody would notice a beat or a worker that is not there. This is who complains: in
`manage.py check --database default`, at `/healthz/calendar`, and on the first page of the admin.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from celery.schedules import crontab
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import ProgrammingError
from django_celery_beat.models import PeriodicTask

from organizations import clock
from organizations.models import Tick

GRACE = timedelta(minutes=2)
"""How late a ring may be: a worker has other things to do, and a run takes up to a minute."""


class Late(NamedTuple):
    """A task that nobody rang for, or that no worker heard."""

    name: str
    ticked_at: datetime | None
    due_at: datetime
    task: str = ""

    def __str__(self) -> str:
        last = f"last on {self.ticked_at:%Y-%m-%d at %H:%M:%S}" if self.ticked_at else "never yet"
        return f"{self.name}: due on {self.due_at:%Y-%m-%d at %H:%M:%S} UTC, {last}"


def late(*, now: datetime) -> list[Late]:
    """Return the tasks of the calendar that are overdue by more than two minutes, the longest overdue first."""
    ticks = dict(Tick.objects.values_list("task", "ticked_at"))
    tasks = PeriodicTask.objects.filter(enabled=True).select_related("interval", "crontab")
    overdue = [
        Late(task.name, ticks.get(task.task), due_at(task, ticks.get(task.task)), task.task)
        for task in tasks
    ]
    return sorted((one for one in overdue if one.due_at + GRACE < now), key=lambda one: one.due_at)


def switched_off() -> list[str]:
    """Return the names of the tasks of the calendar that somebody switched off, and perhaps forgot: nobody rings for them."""
    off = PeriodicTask.objects.filter(enabled=False).order_by("name")
    return list(off.values_list("name", flat=True))


def doubted() -> str:
    """Say how the database's clock differs from what is counted, if it is not believed; else nothing."""
    leap = clock.doubt()
    if leap is None:
        return ""
    which = "ahead of" if leap > timedelta() else "behind"
    much = timedelta(seconds=round(abs(leap).total_seconds()))
    return f"the database's clock is {much} {which} what is counted: not believed"


def due_at(task: PeriodicTask, ticked_at: datetime | None) -> datetime:
    """Return when a task is due by its last tick, or when nobody ever heard it: when it was first rung for, or should have been."""
    if ticked_at is None and task.last_run_at:
        return _first_rung_at(task)
    since = ticked_at or task.date_changed
    if task.last_run_at is None:
        # Not rung for since staff switched it on: what it missed while it was off is not late.
        since = max(since, task.date_changed)
    if isinstance(task.schedule, crontab):
        start, step, _ = task.schedule.remaining_delta(since)
        next_at: datetime = start + step
        return next_at
    run_every: timedelta = task.schedule.run_every
    return since + run_every


def _first_rung_at(task: PeriodicTask) -> datetime:
    """Return about when beat began to ring for a task: it keeps only when it last did, and how often."""
    last_run_at: datetime = task.last_run_at
    if isinstance(task.schedule, crontab):
        return last_run_at
    run_every: timedelta = task.schedule.run_every
    first: datetime = last_run_at - max(0, task.total_run_count - 1) * run_every
    return first


@register(Tags.database)
def beat_has_ticked(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Complain of every task that should have been rung for and was not."""
    if not databases:
        return []
    try:
        overdue = late(now=clock.now())
    except ProgrammingError:
        # Not migrated yet: there is no calendar.
        return []
    hint = "Are beat and a worker running, and do they reach the broker?"
    return [Warning(str(one), hint=hint, id="organizations.W001") for one in overdue]


@register(Tags.database)
def nothing_is_switched_off(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Say which tasks nobody rings for, because somebody switched them off."""
    if not databases:
        return []
    try:
        names = switched_off()
    except ProgrammingError:
        return []
    hint = "Switch it on again under Schedules, if it was not meant to stay off."
    return [Warning(f"{name}: switched off", hint=hint, id="organizations.W002") for name in names]


@register(Tags.database)
def clock_is_believed(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Complain where the database's clock has leapt, and is counted on past it."""
    if not databases:
        return []
    try:
        doubt = doubted()
    except ProgrammingError:
        return []
    hint = "Set it right, or if it is: manage.py believe_clock."
    return [Warning(doubt, hint=hint, id="organizations.W003")] if doubt else []
