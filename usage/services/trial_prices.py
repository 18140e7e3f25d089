"""What work of a month would have cost: on the model that did it and on another one, by the prices of then and by those that are tried."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from usage.models import AIModel, UsageEvent
from usage.pricing import EXACT, Unpriced
from usage.services import rates
from usage.services.asking import Left
from usage.services.served import Served
from usage.services.terms import Book
from usage.what_if import Changes

SMALLEST = Decimal("0.000001")


class Otherwise(NamedTuple):
    """What work costs on the model that did not do it: by the prices of then, and by those that are tried."""

    before: Decimal | None
    after: Decimal | None


class Prices:
    """The prices of some models for an organization, at any moment, and how they are tried."""

    def __init__(self, changes: Changes, models: Iterable[AIModel], book: Book) -> None:
        self.changes, self.book = changes, book
        self.cards = book.cards(models)

    def of(self, event: UsageEvent, before: Decimal) -> Decimal:
        """Return what an event costs by the prices that are tried."""
        if not self.changes.reprices or event.model is None or not before:
            return before
        if event.input_tokens is None and event.usage is None:
            return before
        if self.changes.prices_of is None:
            return self._multiplied(before)
        priced = self._price(event, event.model, self.changes.prices_of)
        return before if priced is None else self._multiplied(priced)

    def otherwise(self, event: UsageEvent, other: AIModel | None) -> Otherwise:
        """Return what the work of an event costs on another model, by the prices of then and by those that are tried."""
        if other is None:
            return Otherwise(None, None)
        hold = event.reservation
        moment = hold.created_at if hold else event.occurred_at
        before = self._price(event, other, moment)
        after = before
        if self.changes.prices_of is not None:
            after = self._price(event, other, self.changes.prices_of)
        return Otherwise(before, None if after is None else self._multiplied(after))

    def _multiplied(self, price: Decimal) -> Decimal:
        factor = self.changes.multiplier
        return price if factor is None else EXACT.quantize(EXACT.multiply(price, factor), SMALLEST)

    def _price(self, event: UsageEvent, model: AIModel, moment: datetime) -> Decimal | None:
        """Return what the work of an event costs on a model at a moment; None where it has no price."""
        try:
            card = rates.in_force(self.cards, model, moment)
            served = Served.of(model.slug, card, moment, card.served(event.variant) or "")
            price, _ = served.charge_of(event, self.book)
        except (Unpriced, Left):
            return None
        return price


def scaled(held: Decimal, before: Decimal, after: Decimal) -> Decimal:
    """Return what would be held by prices by which the work costs `after`, and not `before`."""
    if not before or before == after:
        return held
    return EXACT.quantize(EXACT.divide(EXACT.multiply(held, after), before), SMALLEST)
