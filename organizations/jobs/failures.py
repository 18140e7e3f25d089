"""What failed and what an audit found, kept for staff; and when failed work is tried again."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q

from organizations.idempotency import sqlstate
from organizations.jobs.due import open_failures
from organizations.jobs.work import Found, Work
from organizations.models import Failure, Finding, Job, Lease, Organization

logger = logging.getLogger("organizations.jobs")

PAUSES = (timedelta(minutes=1), timedelta(minutes=5))
"""How long to wait after the first failure, and after the second. The third is left to staff, unless only the time was too short."""
ERROR_LENGTH = 2_000
MOST_ATTEMPTS = 32_767
DATABASE_IS_GONE = ("08", "53", "57P")
"""How the states begin that say so: no connection, no room for one, the server is stopping."""


def try_again(failure: Failure, *, now: datetime) -> bool:
    """Try failed work again with the next run, and up to three times as if it had never failed.

    Returns False where that changes nothing: it is resolved, or the next run tries it anyway.
    """
    waiting = Q(next_try_at__isnull=True) | Q(next_try_at__gt=now)
    still_waiting = Failure.objects.filter(waiting, pk=failure.pk, resolved_at__isnull=True)
    return bool(still_waiting.update(attempts=0, next_try_at=now))


def may_go_on(error: Exception) -> bool:
    """Say whether the failure is of this organization: not where the database is gone."""
    if not isinstance(error, OperationalError | InterfaceError):
        return True
    state = sqlstate(error) or "08"
    return not state.startswith(DATABASE_IS_GONE)


def resolve(work: Work, organization: Organization | None, *, now: datetime) -> None:
    """Note that what failed for an organization is done."""
    open_failures(work).filter(organization=organization).update(resolved_at=now)


@transaction.atomic
def note_failure(
    work: Work,
    job: Job,
    lease: Lease,
    organization: Organization | None,
    error: Exception,
    *,
    now: datetime,
) -> None:
    """Keep that work failed for an organization, and say in the log why."""
    who = organization.public_id if organization else "the whole database"
    logger.error("%s failed for %s", work.kind, who, exc_info=error)
    failure = open_failures(work).filter(organization=organization).first() or Failure(
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


def keep_findings(work: Work, job: Job, found: object) -> None:
    """Keep what an audit answered with; other work answers with what nobody keeps."""
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
