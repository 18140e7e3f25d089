"""How tests look for what should be known, and say what is open."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django_celery_beat.models import PeriodicTask

from organizations.models import Alert
from tests import factories as f
from usage.services import vitals
from usage.services.noticing import notice


def look(now: datetime = f.NOW) -> None:
    """Look at everything once, as the jobs do."""
    after: UUID | None = None
    while (after := vitals.measure(after=after, now=now)) is not None:
        pass
    place: dict[str, Any] | None = None
    while True:
        place = notice(now=now, place=place).place
        if place is None:
            return


def open_alerts(kind: str | None = None) -> list[Alert]:
    rows = Alert.objects.filter(resolved_at=None).order_by("id")
    return list(rows if kind is None else rows.filter(kind=kind))


def the_alert(kind: str) -> Alert:
    """Return the one that is open of a kind; the test fails if there are none or more."""
    (alert,) = open_alerts(kind)
    return alert


def steps_of(alert: Alert) -> list[str]:
    return list(alert.steps.order_by("id").values_list("what", flat=True))


def forget_the_calendar() -> None:
    """Leave no task that could be late."""
    PeriodicTask.objects.all().delete()


def looking(*moments: datetime) -> Iterator[list[str]]:
    """Look at some moments, and yield which kinds are open after each."""
    for moment in moments:
        look(moment)
        yield [alert.kind for alert in open_alerts()]
