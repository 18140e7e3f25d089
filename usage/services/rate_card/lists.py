"""A list of prices that somebody keeps: what it says of models and their cards, and the cards that there are."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from usage.models import AIModel, Rate

RATE_FIELDS = ("amount", "at_least")
Card = tuple[str, datetime]
"""Which card: of which model, from when on."""
Step = tuple[str, str, str, int]
"""Which row of a card."""


class InvalidRateCard(Exception):
    """The prices cannot be a rate card; the message says where, and what was expected."""


@dataclass
class PriceList:
    """Models and rates as somebody lists them, not saved. A card that it names it says as a whole."""

    models: list[AIModel]
    rates: list[Rate]
    left_out: list[str] = field(default_factory=list)
    """What somebody lists that cannot be a card: which model, and why."""
    whole_of: set[str] = field(default_factory=set)
    """The providers of which it lists all models that there are."""
    credit_usd: Decimal | None = None
    """How many US dollars a credit of its prices stands for; None if it does not say so."""
    lines: dict[Card, int] = field(default_factory=dict)
    """On which line of a file each card begins, where it is one."""
    deprecated: dict[str, date | None] = field(default_factory=dict)
    """The models that its keeper calls deprecated, each with the day on which it ends, where that is said."""


class Cards:
    """The cards of some models as they are: of each the rates by their step, oldest first."""

    def __init__(self, slugs: Collection[str]) -> None:
        self._of: dict[str, dict[datetime, dict[Step, Rate]]] = {}
        ordered = Rate.objects.filter(model__in=slugs).order_by("model", "starts_at")
        for rate in ordered:
            self.put(rate)

    def put(self, rate: Rate) -> None:
        cards = self._of.setdefault(rate.model_id, {})
        cards.setdefault(rate.starts_at, {})[rate.step] = rate

    def exact(self, card: Card) -> dict[Step, Rate]:
        """Return the card that begins then."""
        return self._of.get(card[0], {}).get(card[1], {})

    def in_force(self, card: Card) -> dict[Step, Rate]:
        """Return the card that is in force then."""
        slug, moment = card
        begun = [starts_at for starts_at in self._of.get(slug, {}) if starts_at <= moment]
        return self._of[slug][max(begun)] if begun else {}


def slugs_of(listed: PriceList) -> set[str]:
    return {model.slug for model in listed.models} | {rate.model_id for rate in listed.rates}


def card_of(rate: Rate) -> Card:
    return rate.model_id, rate.starts_at


def values_of(rate: Rate) -> tuple[Any, ...]:
    return tuple(getattr(rate, name) for name in RATE_FIELDS)


def said_by(rates: Iterable[Rate]) -> dict[Step, tuple[Any, ...]]:
    return {rate.step: values_of(rate) for rate in rates}


def beside(rate: Rate) -> QuerySet[Rate]:
    """Return the other rates of a rate's card."""
    card = Rate.objects.filter(model=rate.model_id, starts_at=rate.starts_at)
    return card.exclude(pk=rate.pk).order_by("unit", "variant", "hours", "prompt_tokens_from")
