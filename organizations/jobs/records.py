"""The rows of jobs: of each kind one that is open, begun when something is due and ended when all is done; and when a task was last rung for."""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Greatest

from organizations.jobs.due import open_failures, preview
from organizations.jobs.work import Work
from organizations.models import Job, Lease, Tick

PRUNE_BATCH = 500


def open_jobs(work: Work) -> QuerySet[Job]:
    """Return the open job of this kind: at most one."""
    return Job.objects.filter(kind=work.kind, finished_at__isnull=True)


def open_or_begin(work: Work, *, now: datetime, begin: bool) -> Job | None:
    """Begin a job if there is anything to do, or return the one that is open: somebody else's."""
    job = open_jobs(work).first()
    if job is not None:
        return job
    total = _total(work, now=now, begin=begin)
    if not total:
        return None
    try:
        with transaction.atomic():
            return Job.objects.create(kind=work.kind, due_at=now, total=total, started_at=now)
    except IntegrityError:
        return open_jobs(work).first()


def _total(work: Work, *, now: datetime, begin: bool) -> int:
    """Return for how many organizations a new job would have something to do."""
    if not begin and not open_failures(work).filter(next_try_at__lte=now).exists():
        return 0
    if work.due is None:
        return 1
    # Somebody else's request may have done what failed here.
    open_failures(work).exclude(organization__in=work.due(now)).update(resolved_at=now)
    return preview(work, now=now).count()


def finish(job: Job, *, now: datetime) -> None:
    """End a job whose batches are all handed out and done. What was not handed out somebody else did meanwhile."""
    left = Lease.objects.filter(job=OuterRef("pk"))
    ended = Job.objects.filter(pk=job.pk, is_handed_out=True, finished_at__isnull=True)
    # More may have failed than were counted when it began: what became due meanwhile.
    done = Greatest(F("total") - F("failed"), 0)
    ended.exclude(Exists(left)).update(finished_at=now, done=done)
    job.refresh_from_db()


def prune(*, before: datetime, kinds: Iterable[str] = ()) -> int:
    """Delete the jobs that ended before a moment, with what they found, a batch at a time; only of some kinds, if any are named."""
    ended = Job.objects.filter(finished_at__lt=before)
    if kinds:
        ended = ended.filter(kind__in=kinds)
    deleted = 0
    while batch := list(ended.values_list("id", flat=True)[:PRUNE_BATCH]):
        deleted += Job.objects.filter(id__in=batch).delete()[0]
    return deleted


def tick(task: str, *, now: datetime) -> None:
    """Remember that a task was rung for."""
    Tick.objects.update_or_create(task=task, defaults={"ticked_at": now})
