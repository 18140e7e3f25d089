"""What concerns the whole installation: work that is left to staff, what audits found, tasks that are late or switched off.

The rows that say more are elsewhere: of failures, of findings, of schedules. An alert points to them, and counts them.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count

from organizations import pulse
from organizations.alerts import Noticed
from organizations.models import Alert, Env, Failure, Finding, Job

Kind, Severity = Alert.Kind, Alert.Severity


def see(now: datetime) -> Iterator[Noticed]:
    """Yield what is wrong with the calendar and its work."""
    yield from _failures()
    yield from _findings()
    for late in pulse.late(now=now):
        figures = {"due": f"{late.due_at:%Y-%m-%d %H:%M} UTC"}
        yield Noticed(Kind.TASK_LATE, Severity.CRITICAL, subject=late.name, figures=figures)
    for name in pulse.switched_off():
        yield Noticed(Kind.TASK_OFF, Severity.WARNING, subject=name)


def _failures() -> Iterator[Noticed]:
    """Yield the kinds of work that nobody tries again for somebody, by what they are failures of."""
    left = Failure.objects.filter(resolved_at=None, next_try_at=None)
    counted = left.exclude(organization__env=Env.TEST).values_list("kind")
    for kind, count in counted.annotate(count=Count("id")).order_by():
        yield _counted(Kind.JOB_FAILED, kind, failures=str(count))


def _findings() -> Iterator[Noticed]:
    """Yield the audits that found something the last time that they came to an end."""
    ended = Job.objects.filter(finished_at__isnull=False)
    last = ended.order_by("kind", "-started_at").distinct("kind").values("id")
    found = Finding.objects.filter(job__in=last).values_list("job__kind", "job")
    for kind, job, count in found.annotate(count=Count("id")).order_by():
        yield _counted(Kind.FINDINGS, kind, findings=str(count), job=str(job))


def _counted(kind: Alert.Kind, subject: str, **figures: str) -> Noticed:
    """Notice so many rows, the first of the figures: ten times as many are worse, one more is not."""
    count = next(iter(figures.values()))
    return Noticed(kind, Severity.CRITICAL, subject=subject, level=len(count), figures=figures)
