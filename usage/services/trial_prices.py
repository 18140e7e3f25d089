"""What work of a month would have cost: on the model that did it and on another one, by the prices of then and by those that are tried."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from usage.models import AIModel, UsageEvent
from usage.pricing import EXACT, RateCard, Unpriced
from usage.services import rates
from usage.services.asking import Left
from usage.services.book import Book
from usage.services.served import Served, Tried
from usage.what_if import Changes, TriedCard

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
        self._card: RateCard | None = None

    def of(self, event: UsageEvent, before: Decimal) -> Decimal:
        """Return what an event costs by the prices that are tried."""
        if not self.changes.reprices or event.model is None or not before:
            return before
        if not is_counted(event):
            return before
        priced = self._tried(event, event.model)
        return self._multiplied(before if priced is None else priced)

    def _tried(self, event: UsageEvent, model: AIModel) -> Decimal | None:
        """Return what the work of an event costs on a model by the prices that are tried; None where none are, or they lack one."""
        card = self.changes.card
        if card is not None and card.model == model.slug:
            return self._price(event, model, _moment_of(event), self._cards_of(model, card))
        if self.changes.prices_of is not None:
            return self._price(event, model, self.changes.prices_of)
        return None

    def _cards_of(self, model: AIModel, card: TriedCard) -> rates.Cards:
        """Return the card that is tried as the only one, marked up as the organization's would be when it begins."""
        if self._card is None:
            written = RateCard(
                card.starts_at.isoformat(),
                card.prices,
                model.input_includes_cached,
                model.output_includes_reasoning,
            )
            factor = self.book.factor(model, card.starts_at)
            self._card = written.times(factor, written.starts_at)
        return {model.slug: [(datetime.min.replace(tzinfo=UTC), self._card)]}

    def otherwise(self, event: UsageEvent, other: AIModel | None) -> Otherwise:
        """Return what the work of an event costs on another model, by the prices of then and by those that are tried."""
        if other is None:
            return Otherwise(None, None)
        before = self._price(event, other, _moment_of(event))
        after = before
        if self._is_tried(other):
            after = self._tried(event, other)
        return Otherwise(before, None if after is None else self._multiplied(after))

    def _is_tried(self, model: AIModel) -> bool:
        card = self.changes.card
        return self.changes.prices_of is not None or (card is not None and card.model == model.slug)

    def _multiplied(self, price: Decimal) -> Decimal:
        factor = self.changes.multiplier
        return price if factor is None else EXACT.quantize(EXACT.multiply(price, factor), SMALLEST)

    def _price(
        self,
        event: UsageEvent,
        model: AIModel,
        moment: datetime,
        cards: rates.Cards | None = None,
    ) -> Decimal | None:
        """Return what the work of an event costs on a model at a moment; None where it has no price.

        :param cards: the cards to go by; those that are written, unless it is told others
        """
        try:
            card = rates.in_force(self.cards if cards is None else cards, model, moment)
            served = Served.of(model.slug, card, moment, card.served(event.variant) or "")
            catalogue = self.book if cards is None else Tried(self.book, cards)
            price, _ = served.charge_of(event, catalogue)
        except (Unpriced, Left):
            return None
        return price


def is_counted(event: UsageEvent) -> bool:
    """Whether an event tells what was used, and not only what it cost."""
    return event.input_tokens is not None or event.usage is not None


def _moment_of(event: UsageEvent) -> datetime:
    """Return the moment whose prices an event is charged by."""
    hold = event.reservation
    return hold.created_at if hold else event.occurred_at


def scaled(held: Decimal, before: Decimal, after: Decimal) -> Decimal:
    """Return what would be held by prices by which the work costs `after`, and not `before`."""
    if not before or before == after:
        return held
    return EXACT.quantize(EXACT.divide(EXACT.multiply(held, after), before), SMALLEST)
