"""What time does to credits. Each task finds its rows in the database and calls one service per organization.

Nothing here is needed for a right answer: the first request after a boundary does the same for its own wallet. So a lost message costs
nothing, a task that runs twice does it once, and one organization that fails keeps nobody else waiting.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import Q, QuerySet

from credits import services
from organizations import clock
from organizations.models import Organization

logger = logging.getLogger(__name__)
BATCH = 1_000


@shared_task
def renew() -> int:
    """Open the next billing period where one has ended."""
    now = clock.now()
    ended = Organization.objects.filter(wallet__period__ends_at__lte=now)
    return _each(ended.exclude(status=Organization.Status.ARCHIVED), services.renew, now=now)


@shared_task
def lapse_grants() -> int:
    """Lapse what remains of grants that have expired."""
    now = clock.now()
    return _each(Organization.objects.filter(wallet__lapse_at__lte=now), services.renew, now=now)


@shared_task
def expire_reservations() -> int:
    """Give back the holds whose time has passed."""
    now = clock.now()
    due = Q(wallet__reservations__status="open", wallet__reservations__expires_at__lte=now)
    return _each(Organization.objects.filter(due).distinct(), services.expire, now=now)


@shared_task
def end_refill_cooldowns() -> int:
    """End the refill cooldowns that are over, and try again where the parent was short."""
    now = clock.now()
    due = Q(wallet__refill_cooldown_ends_at__lte=now) | Q(wallet__refill_retry_at__lte=now)
    return _each(Organization.objects.filter(due), services.end_refill_cooldown, now=now)


def _each(
    organizations: QuerySet[Organization], service: Callable[..., object], *, now: datetime
) -> int:
    """Call a service for each organization, in a transaction each. Returns how many succeeded.

    :raises SoftTimeLimitExceeded: when the time of the task is over; the next one finds the rest
    """
    done = 0
    for organization in organizations.order_by("id").iterator(chunk_size=BATCH):
        try:
            service(organization=organization, now=now)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            logger.exception("%s failed for %s", service.__name__, organization.public_id)
        else:
            done += 1
    return done
