"""Doing a job: its batches one after another, of each batch several organizations together where that may be, and then one by one."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections

from organizations.jobs.due import open_failures
from organizations.jobs.failures import keep_findings, may_go_on, note_failure, resolve
from organizations.jobs.leases import claim, end, give_back, kept, organizations_of
from organizations.jobs.records import finish, open_jobs, open_or_begin
from organizations.jobs.work import Now, Portion, Run, Work
from organizations.models import Job, Lease, Organization

logger = logging.getLogger("organizations.jobs")

TOGETHER = 50
"""How many of a batch are done at once, where the work can be done together."""
RUN_SECONDS = 50.0
"""How long one run may take: then the worker is free for other work, and the next ring goes on."""


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
    found = open_jobs(work).first()
    done = _work_on(work, found, now=now, worker=worker, until=until, report=report) if found else 0
    # An audit that has just ended would only look at the same again.
    is_enough = bool(found and work.is_audit) or time.monotonic() >= until
    job = None if is_enough else open_or_begin(work, now=now(), begin=begin)
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
        lease = claim(work, job, worker=worker, now=now())
        if lease is None:
            break
        done += _do(work, job, lease, now=now, until=until)
        job.refresh_from_db()
        report(job)
    finish(job, now=now())
    return done


def _do(work: Work, job: Job, lease: Lease, *, now: Now, until: float) -> int:
    """Do a batch, or as much of it as there is time for. Returns for how many organizations it was done."""
    done: set[UUID | None] = set()
    failed_before = set(open_failures(work).values_list("organization_id", flat=True))
    try:
        with kept(lease, now=now) as is_ours:

            def is_over() -> bool:
                if is_ours() and time.monotonic() <= until:
                    return False
                give_back(lease, now=now())
                return True

            organizations = organizations_of(work, job, lease)
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
                    resolve(work, organization, now=now())
    except BaseException:
        give_back(lease, now=now())
        raise
    end(lease)
    return len(done)


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
        note_failure(work, job, lease, organization, error, now=now())
        raise
    except Exception as error:
        if not may_go_on(error):
            raise
        note_failure(work, job, lease, organization, error, now=now())
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
        keep_findings(work, job, work.do(**arguments, now=now()))
        return True
    whose = str(organization.pk) if organization else ""
    place = (lease.place or {}).get(whose)
    while True:
        portion = work.do(**arguments, now=now(), place=place)
        assert isinstance(portion, Portion)
        keep_findings(work, job, portion.found)
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
        if not may_go_on(error):
            raise
        text = "%s failed for %d at once: now one by one"
        logger.warning(text, work.kind, len(portion), exc_info=True)
        return ()
