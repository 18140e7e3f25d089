"""What was refused, kept for 30 days for whoever asks why. Written after the money transaction, never in it."""

from datetime import datetime, timedelta

import simplejson

from credits.limits import explain
from credits.services import BillingExhausted, HoldsAreEnding
from organizations.models import Actor
from organizations.statements import fetch_one
from usage.models import Denial
from usage.services import terms
from usage.services.asking import Work
from usage.services.decisions import Denied

KEPT = timedelta(days=30)
PRUNE_BATCH = 5_000


_WRITE = f"""
    INSERT INTO usage_denial AS kept (organization_id, actor_id, minute, reason, code, message, model, needed, affordable, unblocks_at, limits,
        times, request_ids, created_at)
    VALUES (%s::uuid, %s::uuid, date_trunc('minute', %s::timestamptz), %s, %s, %s, %s, %s::numeric, %s::numeric, %s::timestamptz, %s::jsonb,
        1, %s::text[], %s::timestamptz)
    ON CONFLICT ON CONSTRAINT denial_one_a_minute DO UPDATE SET
        times = kept.times + 1,
        request_ids = CASE WHEN cardinality(kept.request_ids) < {Denial.REQUEST_IDS}
            THEN kept.request_ids || excluded.request_ids ELSE kept.request_ids END
        WHERE kept.times < {Denial.TIMES}
    RETURNING id"""
"""The first of a minute is written, those after it are counted: so whoever asks without a pause does not write without an end."""


def record(work: Work, error: Denied, *, now: datetime, request_id: str = "") -> None:
    """Keep a denial: the first for an actor, reason and minute whole, the others as its count. Who is told to ask again was denied nothing.

    :param request_id: what its answer names
    """
    if isinstance(error, HoldsAreEnding):
        return
    by_limits = error if isinstance(error, BillingExhausted) else None
    actor = _actor_of(work)
    limits = explain(by_limits.limits, error.reason) if by_limits else []
    fetch_one(
        _WRITE,
        [
            *(work.organization.id, actor.id if actor else None, now),
            *(error.reason, error.code, str(error)[:500], work.model.slug if work.model else ""),
            work.credits if error.needed is None else error.needed,
            by_limits.affordable_credits if by_limits else None,
            by_limits.unblocks_at if by_limits else None,
            simplejson.dumps(limits),
            [request_id] if request_id else [],
            now,
        ],
    )


def _actor_of(work: Work) -> Actor | None:
    """Return who was refused: whose an external id is by the terms that refused, not by those that the door went by."""
    if work.actor_called is None:
        return work.actor
    return terms.book_of(work.organization).actor_called(work.actor_called)


def prune(*, now: datetime) -> int:
    """Delete the denials that are older than 30 days, a batch at a time so that none takes long; returns how many there were."""
    old = Denial.objects.filter(created_at__lt=now - KEPT).order_by("created_at")
    deleted = 0
    while batch := list(old.values_list("id", flat=True)[:PRUNE_BATCH]):
        deleted += Denial.objects.filter(id__in=batch).delete()[0]
    return deleted
