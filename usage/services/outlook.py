"""What a model's work of the last thirty days would cost by its prices of another moment. Nothing is charged by asking."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from credits.models import ZERO
from usage.models import AIModel, UsageEvent
from usage.pricing import RateCard, Unpriced
from usage.services import rates
from usage.services.asking import Left
from usage.services.served import Served

DAYS = timedelta(days=30)
NEWEST = 20_000
"""Among how many of all pieces of work those of the model are looked for."""
PRICED = 2_000
"""How many of them are priced."""


class Outlook(NamedTuple):
    """Work of a model at the prices of a moment. Credits at list price."""

    events: int
    organizations: int
    credits: Decimal
    unpriced: int
    """How many of them would have no price."""


def at_prices_of(model: AIModel, moment: datetime, *, now: datetime) -> Outlook:
    """Return what the newest charged work of a model since thirty days before `now` would cost by its card of a moment, marked up as for everybody."""
    cards = rates.cards_of([model], until=moment)
    (events, _), unpriced, cost = work_of(model, now), 0, ZERO
    for event in events:
        try:
            cost += _cost(event, rates.in_force(cards, model, moment), moment)
        except (Unpriced, Left):
            unpriced += 1
    owners = {event.organization_id for event in events}
    return Outlook(len(events), len(owners), cost, unpriced)


def work_of(model: AIModel, now: datetime) -> tuple[list[UsageEvent], bool]:
    """Return the newest charged work of a model since thirty days before `now`, and whether that is all of it."""
    newest = UsageEvent.objects.order_by("-id")[:NEWEST].values("id", "occurred_at")
    events = UsageEvent.objects.filter(
        id__in=newest.values("id"),
        model=model,
        occurred_at__gt=now - DAYS,
        corrects=None,
        byok=False,
        charged=True,
    )
    counted = events.exclude(input_tokens=None, usage=None).select_related("reservation")
    found = list(counted.order_by("-id")[: PRICED + 1])
    last = newest[NEWEST - 1 :].first() if len(found) <= PRICED else None
    is_all = len(found) <= PRICED and (last is None or last["occurred_at"] <= now - DAYS)
    return found[:PRICED], is_all


def _cost(event: UsageEvent, card: RateCard, moment: datetime) -> Decimal:
    served = Served.of(str(event.model_id), card, moment, event.variant)
    cost, _ = served.charge_of(event)
    return cost
