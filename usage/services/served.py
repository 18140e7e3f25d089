"""By which prices work that is done is charged: those of the model that served it, as it was served, of the moment that counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, NamedTuple, Protocol

from credits.models import Reservation
from organizations.models import Organization
from usage.counts import NAMES, completed, counts_in, remarks, tokens_of, words
from usage.models import AIModel, UsageEvent
from usage.pricing import (
    EXACT,
    Count,
    Counts,
    Price,
    RateCard,
    Tokens,
    Unpriced,
    asked_variant,
    charged,
    contradiction,
    counted,
    price_of,
    thaw,
)
from usage.services import rates, terms
from usage.services.asking import Left
from usage.services.book import Book
from usage.units import TOOLS, UNITS


class NoPrice(Unpriced):
    """Work was done that nothing says a price of: it is not charged until somebody does."""

    code = "NO_PRICE"
    details: dict[str, Any] = {}
    """Which field says it, filled in by the door that read it."""


class Catalogue(Protocol):
    """Where models and their cards are found: a book of terms."""

    def model(self, slug: str) -> AIModel | None:
        """Return a model, if there is one."""

    def cards(self, models: Iterable[AIModel]) -> rates.Cards:
        """Return the cards of models."""

    def sellers(self, provider: str, unit: str) -> list[AIModel]:
        """Return the models of a provider that have a price of a unit."""


class Tried:
    """A catalogue in which some models have the cards that are tried, and no others: what these lack, they do not get from those in force."""

    def __init__(self, catalogue: Catalogue, cards: rates.Cards) -> None:
        self._catalogue, self._cards = catalogue, cards

    def model(self, slug: str) -> AIModel | None:
        return self._catalogue.model(slug)

    def cards(self, models: Iterable[AIModel]) -> rates.Cards:
        return {**self._catalogue.cards(models), **self._cards}

    def sellers(self, provider: str, unit: str) -> list[AIModel]:
        return self._catalogue.sellers(provider, unit)


class Line(NamedTuple):
    """A line of a sum: so much of a unit, at so many credits for so many of it."""

    unit: str
    share: Count
    amount: Decimal
    per: int
    credits: Decimal
    """Exactly: only the sum is rounded."""


class Bill(NamedTuple):
    """What work costs, with the lines of the sum, and what its event would note."""

    lines: list[Line]
    total: Decimal
    note: str


@dataclass(frozen=True)
class Served:
    """A model that served work, with its prices of the moment that counts, and which of them are meant."""

    model: str
    card: RateCard
    moment: datetime
    variant: str = ""
    """As the event keeps it; empty is the standard way."""
    called: str = ""
    """What the model was called by whoever told the work, where that is not its id."""

    @classmethod
    def of(cls, model: str, card: RateCard, moment: datetime, variant: str) -> "Served":
        """Return what charges work that was served so.

        :raises Left: if the card has no prices of this variant
        """
        served = card.served(variant)
        if served is None:
            raise Left.of("variant", f"{model} has no prices for {variant}.")
        return cls(model, card, moment, served)

    def cost(self, counts: Counts) -> Decimal:
        """Return what so much of each unit costs.

        :raises Unpriced: if something of it has no price
        """
        return price_of(self.card, counts, variant=self.variant, work_is_done=True)

    def bill(self, usage: Counts, catalogue: Catalogue | None = None) -> Bill:
        """Return what counts by unit cost, as `charge` says it, with the lines of the sum.

        :raises NoPrice: if something of it has no price anywhere
        """
        total, note = self.charge(None, usage, catalogue)
        counts = completed(usage)
        missing = self._unpriced(counts)
        filled = self._filled(missing, counts, catalogue)[0] if missing else self
        sheet = filled.card.sheet(filled.variant)
        with localcontext(EXACT):
            lines = [
                Line(unit, share, amount, UNITS[unit].per, share * amount / UNITS[unit].per)
                for unit, share, amount in charged(sheet, counts, work_is_done=True)
                if share
            ]
        return Bill(lines, total, note)

    def charge(
        self, tokens: Tokens | None, usage: Counts | None, catalogue: Catalogue | None = None
    ) -> tuple[Decimal, str]:
        """Return what work costs, and what its event notes of it.

        :param tokens: as the model's provider counts them; or
        :param usage: counts by unit
        :param catalogue: where prices are looked for that the card lacks
        :raises NoPrice: if something of it has no price anywhere
        """
        if usage is not None:
            counts, said = completed(usage), remarks(usage)
        else:
            tokens = tokens or Tokens()
            counts, said = counted(self.card, tokens), contradiction(self.card, tokens)
        note = noted(self.naming, said)
        try:
            return self.cost(counts), note
        except Unpriced as error:
            missing = self._unpriced(counts)
            if not missing:  # of a request, or of anything
                raise self._no_price([error.unit]) from error
        filled, filling = self._filled(missing, counts, catalogue)
        return filled.cost(counts), noted(note, filling)

    @property
    def naming(self) -> str:
        """What its event notes of how the model was called; nothing where that is its id."""
        return f"{self.model} was called {self.called}" if self.called else ""

    def by_name(self, called: str | None) -> "Served":
        """Return the same, told by a name of the model."""
        return replace(self, called="" if called in (None, self.model) else called)

    def charge_of(
        self, event: UsageEvent, catalogue: Catalogue | None = None
    ) -> tuple[Decimal, str]:
        """Return what the work costs that an event tells, as `charge` does.

        :raises NoPrice: if something of it has no price anywhere
        """
        usage = None if event.usage is None else counts_in(event.usage)
        return self.charge(event.tokens, usage, catalogue)

    def tokens(self, usage: Counts) -> Tokens:
        """Return the tokens among counts, as the model's provider counts them."""
        return tokens_of(self.card, usage)

    def _unpriced(self, counts: Counts) -> list[str]:
        return self.card.sheet(self.variant).unpriced(counts)

    def _filled(
        self, missing: list[str], counts: Counts, catalogue: Catalogue | None
    ) -> tuple["Served", str]:
        """Return the same with prices of what has none on the card: those that the model got since, for that moment; and for what a model
        does besides, the highest that its provider is known to ask."""
        model = catalogue.model(self.model) if catalogue is not None else None
        if catalogue is None or model is None:
            raise self._no_price(missing)
        filled = self._with(_own_prices(model, missing, self.moment, catalogue, self.variant))
        said = []
        for unit in filled._unpriced(counts):
            highest = _highest(model.provider, unit, self.moment, catalogue)
            if highest is not None:
                filled = filled._with([highest])
                said.append(
                    f"{counts[unit]} {words(unit)} at the highest price of {model.provider}"
                )
        missing = filled._unpriced(counts)
        if missing:
            raise self._no_price(missing)
        return filled, ", ".join(said)

    def _with(self, prices: list[Price]) -> "Served":
        return replace(self, card=replace(self.card, prices=(*self.card.prices, *prices)))

    def _no_price(self, missing: list[str]) -> NoPrice:
        named = " and ".join(NAMES.get(unit, unit) for unit in missing)
        return NoPrice(f"{self.model} has no price" + (f" for {named}" if named else ""))


def noted(*sentences: str) -> str:
    """Return what an event notes, as far as there is room."""
    return ", ".join(filter(None, sentences))[:200]


def by_hold(
    organization: Organization, hold: Reservation, model: str | None, variant: str | None
) -> Served | None:
    """Return what charges the work of a hold, by the prices of the moment of its reserve; None if there was no model.

    :param model: which model served it, if not the one that is held for
    :param variant: how, if not as was asked
    :raises Left: if there is no such model, or it has no prices of then, or none of the variant
    """
    frozen = hold.rate_card
    if model is None or _is_held_for(organization, hold, model):
        if frozen is None:
            if variant:
                raise Left.of("variant", "It is of a model, and none is named.")
            return None
        slug, card = hold.effective_model, thaw(frozen)
    else:
        slug, card = _card_of(terms.current(organization), model, hold.created_at)
    if variant is not None:
        return Served.of(slug, card, hold.created_at, variant).by_name(model)
    asked = asked_variant(frozen) if frozen else ""
    return Served(slug, card, hold.created_at, card.served(asked) or "").by_name(model)


def _is_held_for(organization: Organization, hold: Reservation, name: str) -> bool:
    """Whether a name means the model that a hold is for, whose prices it keeps."""
    if name == hold.effective_model:
        return True
    model = terms.book_of(organization).model(name)
    return model is not None and model.slug == hold.effective_model


def _card_of(book: Book, name: str, moment: datetime) -> tuple[str, RateCard]:
    model = book.model(name)
    if model is None:
        raise Left.of("model", "There is no such model.")
    try:
        return model.slug, rates.in_force(book.cards([model]), model, moment)
    except Unpriced as error:
        raise Left.of("model", f"{model.slug} had no price when the work was reserved.") from error


def _own_prices(
    model: AIModel, missing: list[str], moment: datetime, catalogue: Catalogue, variant: str
) -> list[Price]:
    """Return what a model's card of a moment says by now of units that have no price."""
    try:
        card = rates.in_force(catalogue.cards([model]), model, moment)
    except Unpriced:
        return []
    known = card.sheet(variant).known
    return [each for each in card.prices if each.unit in missing and each.unit in known]


def _highest(provider: str, unit: str, moment: datetime, catalogue: Catalogue) -> Price | None:
    """Return the highest price that models of a provider have at a moment for what they do besides; None if none has one."""
    if unit not in TOOLS:
        return None
    models = catalogue.sellers(provider, unit)
    cards, amounts = catalogue.cards(models), list[Decimal]()
    for model in models:
        try:
            card = rates.in_force(cards, model, moment)
        except Unpriced:
            continue
        amounts += [
            each.amount for each in card.prices if each.unit == unit and each.amount is not None
        ]
    return Price(unit, max(amounts)) if amounts else None
