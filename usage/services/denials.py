"""What was refused, kept for 30 days for whoever asks why. Written after the money transaction, never in it."""

from datetime import datetime, timedelta

from credits.limits import explain
from credits.services import BillingExhausted, HoldsAreEnding
from usage.models import Denial
from usage.services.asking import Work
from usage.services.decisions import Denied

KEPT = timedelta(days=30)
PRUNE_BATCH = 5_000


def record(work: Work, error: Denied, *, now: datetime) -> None:
    """Keep a denial; at most one for each actor, reason and minute. Who is told to ask again was denied nothing."""
    if isinstance(error, HoldsAreEnding):
        return
    denial = Denial(
        organization=work.organization,
        actor=work.actor,
        minute=now.replace(second=0, microsecond=0),
        reason=error.reason,
        message=str(error)[:500],
        model=work.model.slug if work.model else "",
        needed=work.credits,
        limits=explain(error.limits, error.reason) if isinstance(error, BillingExhausted) else [],
        created_at=now,
    )
    Denial.objects.bulk_create([denial], ignore_conflicts=True)


def prune(*, now: datetime) -> int:
    """Delete the denials that are older than 30 days, a batch at a time so that none takes long; returns how many there were."""
    old = Denial.objects.filter(created_at__lt=now - KEPT).order_by("created_at")
    deleted = 0
    while batch := list(old.values_list("id", flat=True)[:PRUNE_BATCH]):
        deleted += Denial.objects.filter(id__in=batch).delete()[0]
    return deleted
