"""Events beside events: what takes one's credits back, what stands for its work at another price, and both in its month's counters."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from credits import ledger
from credits.ledger import Note
from credits.models import ZERO, LedgerEntry, UsageCounter, Wallet
from usage.models import UsageEvent
from usage.services.events import CORRECTION, REFUND, RERATED


class ForgivenMeanwhile(Exception):
    """What would be taken off a counter was forgiven before."""


def correction(event: UsageEvent, note: Note, *, refunded: Decimal = ZERO) -> UsageEvent:
    """Return an event that takes another's credits back, but for those that were refunded before."""
    return _beside(event, CORRECTION, refunded - event.credits, -event.list_credits, note)


def refund(event: UsageEvent, credits: Decimal, note: Note) -> UsageEvent:
    """Return an event that takes some of another's credits back. An event may have several, so each has an id of its own."""
    taken = _beside(event, REFUND, -credits, ZERO, note)
    taken.external_id = str(taken.id)
    return taken


def refunded_of(events: Iterable[UsageEvent]) -> dict[UUID, Decimal]:
    """Return how much of each of these events was refunded; nothing of those of which nothing was."""
    refunds = UsageEvent.objects.filter(corrects__in=[e.id for e in events], source=REFUND)
    sums = refunds.order_by().values_list("corrects").annotate(sum=Sum("credits"))
    return {event_id: -credits for event_id, credits in sums}


def _beside(
    event: UsageEvent,
    source: str,
    credits: Decimal,
    list_credits: Decimal,
    note: Note,
) -> UsageEvent:
    """Return an event that corrects another: of the same work and month. Tokens are told once, by the first."""
    return UsageEvent(
        organization_id=event.organization_id,
        source=source,
        external_id=str(event.id),
        corrects=event,
        actor_id=event.actor_id,
        group_id=event.group_id,
        model_id=event.model_id,
        work_type=event.work_type,
        resource_type=event.resource_type,
        resource_id=event.resource_id,
        variant=event.variant,
        credits=credits,
        list_credits=list_credits,
        rated_at=event.rated_at,
        month=event.month,
        counter_ids=event.counter_ids,
        metadata={"reason": note.reason, "performedBy": note.performed_by},
        occurred_at=event.occurred_at,
        created_at=note.posted_at,
    )


def count(wallet: Wallet, events: Sequence[UsageEvent]) -> None:
    """Count what events add or take off in the counters that they name, of a locked wallet.

    :raises ForgivenMeanwhile: if a counter would have used less than nothing
    """
    totals: dict[int, Decimal] = {}
    for event in events:
        for counter_id in event.counter_ids:
            totals[counter_id] = totals.get(counter_id, ZERO) + event.credits
    counters = UsageCounter.objects.select_related("actor").in_bulk(list(totals))
    for counter_id, total in totals.items():
        counter = counters[counter_id]
        if counter.used + total < 0:
            raise ForgivenMeanwhile(
                f"{counter.used:f} are left of what {counter.actor} used in {counter.month:%Y-%m}, the rest"
                f" was forgiven: {-total:f} cannot be taken off"
            )
    ledger.count_work(wallet, {counters[id]: total for id, total in totals.items() if total})


def charge_with(events: Iterable[UsageEvent], entry: LedgerEntry) -> None:
    """Say of events which entry charged them, or gave them back."""
    for event in events:
        event.entry = entry


def rerated(
    event: UsageEvent, credits: Decimal, rated_at: datetime | None, note: Note
) -> UsageEvent:
    """Return an event that stands for another's work, at a new price."""
    again = _beside(event, RERATED, credits, credits, note)
    again.rated_at = rated_at
    return again
