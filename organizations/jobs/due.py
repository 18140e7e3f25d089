"""For whom there is something to do: whom a work is due for, without those for whom it failed and is not tried again yet."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from organizations.jobs.work import Work
from organizations.models import Failure, Organization


def preview(work: Work, *, now: datetime) -> QuerySet[Organization]:
    """Return the organizations for which there is something to do at `now`, in the order in which it would be done."""
    if work.due is None:
        return Organization.objects.none()
    waiting = Q(next_try_at__isnull=True) | Q(next_try_at__gt=now)
    failing = open_failures(work).filter(waiting, organization=OuterRef("pk"))
    return work.due(now).exclude(Exists(failing)).order_by("id")


def open_failures(work: Work) -> QuerySet[Failure]:
    """Return what failed of a kind of work, and was neither done since nor by somebody else."""
    return Failure.objects.filter(kind=work.kind, resolved_at__isnull=True)
