"""What work would cost: for anybody, or for one organization, at any moment. Nothing is held or charged by asking."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from organizations.models import Organization
from usage.models import AIModel
from usage.pricing import Counts
from usage.services import markups, rates
from usage.services.markups import Rule
from usage.services.served import Bill, Served


class Calculated(NamedTuple):
    """What work costs, and by what its prices are multiplied."""

    bill: Bill
    factor: Decimal


class Prices:
    """The catalogue as it is for one organization, or for whoever has no prices of their own."""

    def __init__(self, customer: Sequence[Rule] = ()) -> None:
        self._customer = customer

    def model(self, slug: str) -> AIModel | None:
        return AIModel.objects.filter(slug=slug).first()

    def cards(self, models: Iterable[AIModel]) -> rates.Cards:
        return rates.cards_of(models, customer=self._customer)

    def sellers(self, provider: str, unit: str) -> list[AIModel]:
        return list(AIModel.objects.filter(provider=provider, rates__unit=unit).distinct())


def calculate(
    *,
    model: AIModel,
    usage: Counts,
    variant: str = "",
    organization: Organization | None = None,
    moment: datetime,
) -> Calculated:
    """Return what so much of each unit costs on a model at a moment, with the lines of the sum: as work of then is charged.

    :raises Unpriced: if the model has no price then, or something of it has none anywhere
    :raises Left: if it has no prices of this variant
    """
    customer = markups.of_customer(organization) if organization else ()
    prices = Prices(customer)
    card = rates.in_force(prices.cards([model]), model, moment)
    bill = Served.of(model.slug, card, moment, variant).bill(usage, prices)
    rules = [rule for rule in (*customer, *markups.of_all()) if rule.is_of(model)]
    return Calculated(bill, markups.factor_at(rules, moment))
