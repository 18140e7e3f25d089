"""Batches of a job: taken by a worker, kept while it works, given back, counted as done. What a dead worker left is taken over."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import connections, transaction
from django.db.models import F

from organizations.ids import new_id
from organizations.jobs.due import preview
from organizations.jobs.work import Now, Work
from organizations.models import Job, Lease, Organization

logger = logging.getLogger("organizations.jobs")

BATCH = 200
LEASE = timedelta(seconds=15)
EXTEND_SECONDS = 4.0


@transaction.atomic
def claim(work: Work, job: Job, *, worker: str, now: datetime) -> Lease | None:
    """Take over a batch whose worker is gone, or take the next one. Returns None if there is none left."""
    job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
    lease = job.leases.filter(expires_at__lte=now).order_by("id").first()
    if lease is None and job.is_handed_out:
        return None
    if lease is None:
        lease = _next_batch(work, job)
    if lease is not None:
        lease.worker, lease.token, lease.expires_at = worker, new_id(), now + LEASE
        lease.save()
    return lease


def _next_batch(work: Work, job: Job) -> Lease | None:
    if work.due is None:
        Job.objects.filter(pk=job.pk).update(is_handed_out=True)
        return Lease(job=job, size=1)
    due = preview(work, now=job.due_at)
    if job.cursor is not None:
        due = due.filter(id__gt=job.cursor)
    ids = list(due.values_list("id", flat=True)[:BATCH])
    after, job.cursor = job.cursor, ids[-1] if ids else job.cursor
    job.is_handed_out = len(ids) < BATCH
    job.save(update_fields=["cursor", "is_handed_out"])
    return Lease(job=job, after=after, until=ids[-1], size=len(ids)) if ids else None


def organizations_of(work: Work, job: Job, lease: Lease) -> list[Organization] | list[None]:
    """Return those of a batch for which there is still something to do; None stands for the whole database."""
    if work.due is None:
        return [None]
    due = preview(work, now=job.due_at).filter(id__lte=lease.until)
    return list(due.filter(id__gt=lease.after) if lease.after else due)


@contextmanager
def kept(lease: Lease, *, now: Now) -> Iterator[Callable[[], bool]]:
    """Extend a lease for as long as the block lasts, from a thread of its own; yields whether it is still ours."""
    over, lost = threading.Event(), threading.Event()

    def extend() -> None:
        try:
            while not over.wait(EXTEND_SECONDS):
                mine = Lease.objects.filter(pk=lease.pk, token=lease.token)
                if not mine.update(expires_at=now() + LEASE):
                    lost.set()
                    return
        except DatabaseError:
            lost.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=extend, name=f"lease {lease.pk}", daemon=True)
    thread.start()
    try:
        yield lambda: not lost.is_set()
    finally:
        over.set()
        thread.join()


def give_back(lease: Lease, *, now: datetime) -> None:
    """Let somebody else go on with a batch at once."""
    try:
        Lease.objects.filter(pk=lease.pk, token=lease.token).update(expires_at=now)
    except DatabaseError:
        logger.warning("a lease could not be given back; it runs out by itself")


@transaction.atomic
def end(lease: Lease) -> None:
    """Count a batch as done, if it was still ours."""
    mine = Lease.objects.select_for_update().filter(pk=lease.pk, token=lease.token).first()
    if mine is None:
        return
    counted = {
        "done": F("done") + max(0, mine.size - mine.failed),
        "failed": F("failed") + mine.failed,
    }
    Job.objects.filter(pk=mine.job_id).update(**counted)
    mine.delete()
