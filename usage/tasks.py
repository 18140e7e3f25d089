"""What time does to usage. Each task finds its rows and calls one service."""

import logging

from celery import shared_task
from django.db.models import F, OuterRef, Subquery

from organizations import clock
from organizations.models import Organization
from usage.models import UsageEvent
from usage.services import denials
from usage.services.rollups import roll_up

logger = logging.getLogger(__name__)


@shared_task
def roll_up_usage() -> int:
    """Add the events that came since the last time to the rollups. The reports are right without it."""
    now = clock.now()
    latest = UsageEvent.objects.filter(organization=OuterRef("id")).order_by("-position")
    behind = Organization.objects.annotate(latest=Subquery(latest.values("position")[:1]))
    done = 0
    for organization in behind.filter(latest__isnull=False).exclude(
        rollup_mark__position=F("latest")
    ):
        try:
            done += roll_up(organization=organization, now=now)
        except Exception:
            logger.exception("roll_up failed for %s", organization.public_id)
    return done


@shared_task
def prune_denials() -> int:
    """Delete the denials that are older than 30 days."""
    return denials.prune(now=clock.now())
