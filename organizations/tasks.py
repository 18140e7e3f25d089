"""What time does to organizations' records."""

from datetime import datetime

from celery import shared_task
from django.db.models import QuerySet

from organizations import clock
from organizations.idempotency import LIFETIME
from organizations.models import IdempotencyKey

BATCH = 1000


@shared_task
def prune_idempotency_keys() -> int:
    """Forget the answers of requests that are older than a day. Return how many there were."""
    return prune(now=clock.now())


def prune(*, now: datetime) -> int:
    """Delete expired keys, a batch at a time so that no lock lasts, and return how many."""
    forgotten = 0
    while batch := list(_expired(now).values_list("id", flat=True)[:BATCH]):
        forgotten += _expired(now).filter(id__in=batch).delete()[0]
    return forgotten


def _expired(now: datetime) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(created_at__lte=now - LIFETIME)
