"""Doing what time has made due: for many organizations, by any number of workers, whatever dies meanwhile.

Nothing here decides what is due or what is done about it: a `Work` says both. What it does must be idempotent, because a worker that
was killed may have done more than it could say. A job hands out its organizations in batches, in the order of their ids; whoever has
a batch has a lease on it and keeps extending it, and what a dead worker left is taken over when its lease runs out.

An organization for which the work fails keeps nobody waiting: it is tried again after a minute and after five more, and then left to
staff. One that the time of a task is not enough for ends the task, and the next one goes on with the others; it is tried again every five
minutes, because what was done of it stays done. A lost connection is nobody's failure: it ends the run, and the next one goes on.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error as DatabaseError
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest

from organizations.idempotency import sqlstate
from organizations.ids import new_id
from organizations.models import Failure, Finding, Job, Lease, Organization, Tick

logger = logging.getLogger(__name__)
Now = Callable[[], datetime]

BATCH = 200
TOGETHER = 50
"""How many of a batch are done at once, where the work can be done together."""
LEASE = timedelta(seconds=15)
EXTEND_SECONDS = 4.0
RUN_SECONDS = 50.0
"""How long one run may take: then the worker is free for other work, and the next ring goes on."""
PAUSES = (timedelta(minutes=1), timedelta(minutes=5))
"""How long to wait after the first failure, and after the second. The third is left to staff, unless only the time was too short."""
ERROR_LENGTH = 2_000
MOST_ATTEMPTS = 32_767
PRUNE_BATCH = 500
DATABASE_IS_GONE = ("08", "53", "57P")
"""How the states begin that say so: no connection, no room for one, the server is stopping."""


class Found(NamedTuple):
    """One row that an audit found to be wrong."""

    check: str
    subject: str
    detail: str
    organization_id: UUID | None = None


class Portion(NamedTuple):
    """What a part of some work found, and the place from which the next part goes on: None where it was the last."""

    found: Collection[Found]
    place: dict[str, Any] | None


@dataclass(frozen=True)
class Work:
    """A kind of job: which organizations it is due for at a moment, and what is done about each.

    Without `due` it is done once for the whole database. `do` is called with `now`, and with `organization` where there is one; an audit
    answers with what it found.

    Work `in_portions` does a part of it for an organization and answers with a `Portion`. It is called with the `place` that the part
    before it gave, which is None at the beginning; a run that is over leaves that place to the next.

    `do_together` does it for several `organizations` at once, and answers for which it did. It is only a faster way: whom it left out,
    and everybody when it fails, is done one by one, so that each failure has its name.
    """

    kind: str
    do: Callable[..., object]
    due: Callable[[datetime], QuerySet[Organization]] | None = None
    is_audit: bool = False
    do_together: Callable[..., Collection[UUID]] | None = None
    in_portions: bool = False


class Run(NamedTuple):
    """What one run came to: the job it worked on last, and for how many organizations it did something."""

    job: Job
    done: int


def run(
    work: Work,
    *,
    now: Now,
    worker: str,
    seconds: float = RUN_SECONDS,
    begin: bool = True,
    report: Callable[[Job], None] = lambda job: None,
) -> Run | None:
    """Do what is due of a kind of work, together with whoever else does. Returns None if there was nothing to do.

    A run that finds a job open goes on with it, and then begins one with what has become due since.

    :param seconds: after which it stops, between two organizations or two portions of them; the next run goes on
    :param begin: whether to begin a job if none is open, or only go on with one
    :param report: called with the job after each batch
    """
    until = time.monotonic() + seconds
    found = _jobs(work).first()
    done = _work_on(work, found, now=now, worker=worker, until=until, report=report) if found else 0
    # An audit that has just ended would only look at the same again.
    is_enough = bool(found and work.is_audit) or time.monotonic() >= until
    job = None if is_enough else _begin(work, now=now(), begin=begin)
    if job is not None:
        done += _work_on(work, job, now=now, worker=worker, until=until, report=report)
    last = job or found
    return Run(last, done) if last else None


def _work_on(
    work: Work,
    job: Job,
    *,
    now: Now,
    worker: str,
    until: float,
    report: Callable[[Job], None],
) -> int:
    """Do batches of a job until there is none left or the time is over. Returns for how many organizations it did something."""
    done = 0
    while time.monotonic() < until:
        lease = _claim(work, job, worker=worker, now=now())
        if lease is None:
            break
        done += _do(work, job, lease, now=now, until=until)
        job.refresh_from_db()
        report(job)
    _finish(job, now=now())
    return done


def preview(work: Work, *, now: datetime) -> QuerySet[Organization]:
    """Return the organizations for which there is something to do at `now`, in the order in which it would be done."""
    if work.due is None:
        return Organization.objects.none()
    waiting = Q(next_try_at__isnull=True) | Q(next_try_at__gt=now)
    failing = _open_failures(work).filter(waiting, organization=OuterRef("pk"))
    return work.due(now).exclude(Exists(failing)).order_by("id")


def try_again(failure: Failure, *, now: datetime) -> bool:
    """Try failed work again with the next run, and up to three times as if it had never failed.

    Returns False where that changes nothing: it is resolved, or the next run tries it anyway.
    """
    waiting = Q(next_try_at__isnull=True) | Q(next_try_at__gt=now)
    still_waiting = Failure.objects.filter(waiting, pk=failure.pk, resolved_at__isnull=True)
    return bool(still_waiting.update(attempts=0, next_try_at=now))


def tick(task: str, *, now: datetime) -> None:
    """Remember that a task was rung for."""
    Tick.objects.update_or_create(task=task, defaults={"ticked_at": now})


def prune(*, before: datetime, kinds: Iterable[str] = ()) -> int:
    """Delete the jobs that ended before a moment, with what they found, a batch at a time; only of some kinds, if any are named."""
    ended = Job.objects.filter(finished_at__lt=before)
    if kinds:
        ended = ended.filter(kind__in=kinds)
    deleted = 0
    while batch := list(ended.values_list("id", flat=True)[:PRUNE_BATCH]):
        deleted += Job.objects.filter(id__in=batch).delete()[0]
    return deleted


def _open_failures(work: Work) -> QuerySet[Failure]:
    return Failure.objects.filter(kind=work.kind, resolved_at__isnull=True)


def _jobs(work: Work) -> QuerySet[Job]:
    """Return the open job of this kind: at most one."""
    return Job.objects.filter(kind=work.kind, finished_at__isnull=True)


def _begin(work: Work, *, now: datetime, begin: bool) -> Job | None:
    """Begin a job if there is anything to do, or return the one that is open: somebody else's."""
    job = _jobs(work).first()
    if job is not None:
        return job
    total = _total(work, now=now, begin=begin)
    if not total:
        return None
    try:
        with transaction.atomic():
            return Job.objects.create(kind=work.kind, due_at=now, total=total, started_at=now)
    except IntegrityError:
        return _jobs(work).first()


def _total(work: Work, *, now: datetime, begin: bool) -> int:
    """Return for how many organizations a new job would have something to do."""
    if not begin and not _open_failures(work).filter(next_try_at__lte=now).exists():
        return 0
    if work.due is None:
        return 1
    # Somebody else's request may have done what failed here.
    _open_failures(work).exclude(organization__in=work.due(now)).update(resolved_at=now)
    return preview(work, now=now).count()


@transaction.atomic
def _claim(work: Work, job: Job, *, worker: str, now: datetime) -> Lease | None:
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


def _do(work: Work, job: Job, lease: Lease, *, now: Now, until: float) -> int:
    """Do a batch, or as much of it as there is time for. Returns for how many organizations it was done."""
    done: set[UUID | None] = set()
    failed_before = set(_open_failures(work).values_list("organization_id", flat=True))
    try:
        with _kept(lease, now=now) as is_ours:

            def is_over() -> bool:
                if is_ours() and time.monotonic() <= until:
                    return False
                _give_back(lease, now=now())
                return True

            organizations = _organizations(work, job, lease)
            for portion in _portions(work, organizations, lease, apart=failed_before):
                if is_over():
                    return len(done)
                done.update(_try_together(work, lease, portion, now=now))
            for organization in organizations:
                pk = organization.pk if organization else None
                if pk in done:
                    continue
                if is_over():
                    return len(done)
                succeeded = _try(work, job, lease, organization, now=now, is_over=is_over)
                if succeeded is None:
                    return len(done)
                _move_on(work, lease, organization)
                if not succeeded:
                    continue
                done.add(pk)
                if pk in failed_before:
                    _resolve(work, organization, now=now())
    except BaseException:
        _give_back(lease, now=now())
        raise
    _end(lease)
    return len(done)


def _organizations(work: Work, job: Job, lease: Lease) -> list[Organization] | list[None]:
    """Return those of a batch for which there is still something to do; None stands for the whole database."""
    if work.due is None:
        return [None]
    due = preview(work, now=job.due_at).filter(id__lte=lease.until)
    return list(due.filter(id__gt=lease.after) if lease.after else due)


def _portions(
    work: Work,
    organizations: Sequence[Organization | None],
    lease: Lease,
    *,
    apart: Collection[UUID | None],
) -> Iterator[list[Organization]]:
    """Yield those that may be done together, a few at a time; not those `apart`, whose failure would be everybody's."""
    if work.do_together is None or lease.is_one_by_one:
        return
    sound = [each for each in organizations if each is not None and each.pk not in apart]
    for first in range(0, len(sound), TOGETHER):
        yield sound[first : first + TOGETHER]


@contextmanager
def _kept(lease: Lease, *, now: Now) -> Iterator[Callable[[], bool]]:
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


def _try(
    work: Work,
    job: Job,
    lease: Lease,
    organization: Organization | None,
    *,
    now: Now,
    is_over: Callable[[], bool],
) -> bool | None:
    """Do the work for one organization and return whether it succeeded; a failure is recorded.

    Returns None where the time is over before the last portion of it.
    """
    try:
        return _do_one(work, job, lease, organization, now=now, is_over=is_over)
    except SoftTimeLimitExceeded as error:
        # In the middle of whatever it was: the connection may still wait for an answer.
        connections.close_all()
        _note_failure(work, job, lease, organization, error, now=now())
        raise
    except Exception as error:
        if not _may_go_on(error):
            raise
        _note_failure(work, job, lease, organization, error, now=now())
        return False


def _do_one(
    work: Work,
    job: Job,
    lease: Lease,
    organization: Organization | None,
    *,
    now: Now,
    is_over: Callable[[], bool],
) -> bool | None:
    arguments = {"organization": organization} if organization is not None else {}
    if not work.in_portions:
        _keep_findings(work, job, work.do(**arguments, now=now()))
        return True
    whose = str(organization.pk) if organization else ""
    place = (lease.place or {}).get(whose)
    while True:
        portion = work.do(**arguments, now=now(), place=place)
        assert isinstance(portion, Portion)
        _keep_findings(work, job, portion.found)
        place = portion.place
        lease.place = None if place is None else {whose: place}
        Lease.objects.filter(pk=lease.pk, token=lease.token).update(place=lease.place)
        if place is None:
            return True
        if is_over():
            return None


def _move_on(work: Work, lease: Lease, organization: Organization | None) -> None:
    """Remember how far an audit is: for what it has looked at there is as much to do as before."""
    if work.is_audit and organization is not None:
        lease.after = organization.pk
        Lease.objects.filter(pk=lease.pk, token=lease.token).update(after=lease.after)


def _try_together(
    work: Work, lease: Lease, portion: list[Organization], *, now: Now
) -> Collection[UUID]:
    """Do the work for several organizations at once and return for which it was done: none, where it fails."""
    assert work.do_together is not None
    try:
        return work.do_together(organizations=portion, now=now())
    except SoftTimeLimitExceeded:
        # Whoever goes on with the batch finds out whose work takes so long.
        connections.close_all()
        Lease.objects.filter(pk=lease.pk, token=lease.token).update(is_one_by_one=True)
        raise
    except Exception as error:
        if not _may_go_on(error):
            raise
        text = "%s failed for %d at once: now one by one"
        logger.warning(text, work.kind, len(portion), exc_info=True)
        return ()


def _may_go_on(error: Exception) -> bool:
    """Say whether the failure is of this organization: not where the database is gone."""
    if not isinstance(error, OperationalError | InterfaceError):
        return True
    state = sqlstate(error) or "08"
    return not state.startswith(DATABASE_IS_GONE)


def _resolve(work: Work, organization: Organization | None, *, now: datetime) -> None:
    _open_failures(work).filter(organization=organization).update(resolved_at=now)


def _note_failure(
    work: Work,
    job: Job,
    lease: Lease,
    organization: Organization | None,
    error: Exception,
    *,
    now: datetime,
) -> None:
    who = organization.public_id if organization else "the whole database"
    logger.error("%s failed for %s", work.kind, who, exc_info=error)
    _record(work, job, lease, organization, error, now=now)


@transaction.atomic
def _record(
    work: Work,
    job: Job,
    lease: Lease,
    organization: Organization | None,
    error: Exception,
    *,
    now: datetime,
) -> None:
    failure = _open_failures(work).filter(organization=organization).first() or Failure(
        kind=work.kind, organization=organization, attempts=0, first_failed_at=now
    )
    if failure.job_id != job.pk:
        Lease.objects.filter(pk=lease.pk, token=lease.token).update(failed=F("failed") + 1)
    failure.job = job
    failure.attempts = min(failure.attempts + 1, MOST_ATTEMPTS)
    failure.error = f"{type(error).__name__}: {error}".replace("\0", "")[:ERROR_LENGTH]
    failure.last_failed_at = now
    is_last = failure.attempts > len(PAUSES)
    left_to_staff = is_last and not isinstance(error, SoftTimeLimitExceeded)
    pause = PAUSES[min(failure.attempts, len(PAUSES)) - 1]
    failure.next_try_at = None if left_to_staff else now + pause
    failure.save()
    if is_last:
        what = "waits for staff" if left_to_staff else "takes longer than a task may"
        logger.error("%s has failed %d times and %s", failure, failure.attempts, what)


def _keep_findings(work: Work, job: Job, found: object) -> None:
    if not work.is_audit or not isinstance(found, Iterable):
        return
    for one in found:
        assert isinstance(one, Found)
        logger.error("%s: %s: %s: %s", work.kind, one.check, one.subject, one.detail)
        Finding.objects.get_or_create(
            job=job,
            organization=_organization(one),
            check_name=one.check[:200],
            subject=one.subject[:200],
            defaults={"detail": one.detail},
        )


def _organization(one: Found) -> Organization | None:
    """Return whose row it is, unless that row itself is what is missing."""
    if one.organization_id is None:
        return None
    return Organization.objects.filter(pk=one.organization_id).first()


def _give_back(lease: Lease, *, now: datetime) -> None:
    """Let somebody else go on with a batch at once."""
    try:
        Lease.objects.filter(pk=lease.pk, token=lease.token).update(expires_at=now)
    except DatabaseError:
        logger.warning("a lease could not be given back; it runs out by itself")


@transaction.atomic
def _end(lease: Lease) -> None:
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


def _finish(job: Job, *, now: datetime) -> None:
    """End a job whose batches are all handed out and done. What was not handed out somebody else did meanwhile."""
    left = Lease.objects.filter(job=OuterRef("pk"))
    ended = Job.objects.filter(pk=job.pk, is_handed_out=True, finished_at__isnull=True)
    # More may have failed than were counted when it began: what became due meanwhile.
    done = Greatest(F("total") - F("failed"), 0)
    ended.exclude(Exists(left)).update(finished_at=now, done=done)
    job.refresh_from_db()
