"""Work of the last thirty days again at prices that nobody wrote yet: what it would have cost, and whom it would have met. Nothing is charged by asking."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from credits.models import ZERO
from organizations.models import Organization
from usage.models import Rate, UsageEvent
from usage.pricing import RateCard, Unpriced
from usage.services import markups, outlook, rates
from usage.services.asking import Left
from usage.services.calculating import Prices
from usage.services.served import Served, Tried


class Met(NamedTuple):
    """A customer whose work it is: how much of it, what it cost, and what it would have."""

    organization: Organization
    pieces: int
    was: Decimal
    would_be: Decimal

    @property
    def difference(self) -> Decimal:
        return self.would_be - self.was


class Again(NamedTuple):
    """The newest work of a model again, customer by customer: the one for whom most differs first."""

    met: list[Met]
    unpriced: int
    """How many pieces would have no price, and count at what they cost."""
    is_all: bool
    """Whether all work of the thirty days was looked at."""

    @property
    def pieces(self) -> int:
        return sum(each.pieces for each in self.met)

    @property
    def was(self) -> Decimal:
        return sum((each.was for each in self.met), ZERO)

    @property
    def would_be(self) -> Decimal:
        return sum((each.would_be for each in self.met), ZERO)

    @property
    def difference(self) -> Decimal:
        return self.would_be - self.was


def again_at(card_rates: Sequence[Rate], *, now: datetime) -> Again:
    """Return what the newest work of a model would have cost by these rates of it, each customer's markup of their beginning included."""
    model, starts_at = card_rates[0].model, card_rates[0].starts_at
    events, is_all = outlook.work_of(model, now)
    owners = Organization.objects.in_bulk({event.organization_id for event in events})
    rules = markups.of_customers(owners.values())
    card, of_all = rates.card_of(card_rates), markups.of_all()
    cards, found, unpriced = dict[UUID, RateCard](), dict[UUID, Met](), 0
    for event in events:
        whose = event.organization_id
        if whose not in cards:
            own = [rule for rule in (*rules[whose], *of_all) if rule.is_of(model)]
            cards[whose] = card.times(markups.factor_at(own, starts_at), card.starts_at)
        after = _again(event, cards[whose])
        unpriced += after is None
        before = found.get(whose) or Met(owners[whose], 0, ZERO, ZERO)
        found[whose] = before._replace(
            pieces=before.pieces + 1,
            was=before.was + event.credits,
            would_be=before.would_be + (event.credits if after is None else after),
        )
    ordered = sorted(found.values(), key=lambda met: (-abs(met.difference), met.organization.name))
    return Again(ordered, unpriced, is_all)


def _again(event: UsageEvent, card: RateCard) -> Decimal | None:
    """Return what an event would have cost by a card; None if it would have no price. What was free for another reason stays so."""
    if event.credits != event.list_credits:
        return event.credits
    hold = event.reservation
    moment = hold.created_at if hold is not None else event.occurred_at
    try:
        here = card.at(moment)
        served = Served(str(event.model_id), here, moment, here.served(event.variant) or "")
        tried = {served.model: [(datetime.min.replace(tzinfo=UTC), card)]}
        cost, _ = served.charge_of(event, Tried(Prices(), tried))
    except (Unpriced, Left):
        return None
    return cost
