"""The rate card: which prices a model has at a moment."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from usage.models import AIModel, Rate
from usage.pricing import Price, RateCard, Unpriced
from usage.services import markups
from usage.services.markups import Rule

Dated = tuple[datetime, RateCard]
"""A card, and the moment it begins."""
Cards = dict[str, list[Dated]]
"""The cards of each model by its slug, newest first."""


def cards_of(
    models: Iterable[AIModel],
    *,
    until: datetime | None = None,
    customer: Sequence[Rule] = (),
) -> Cards:
    """Return the cards of these models, marked up: all of them, or those that begin at or before a moment.

    :param customer: the rules of whom they are for, beside those for everybody
    """
    by_slug = {model.slug: model for model in models}
    rules, cards = [*customer, *markups.of_all()], listed(by_slug, until=until)
    return {slug: markups.marked_up(cards[slug], rules, model) for slug, model in by_slug.items()}


def listed(models: Iterable[str], *, until: datetime | None = None) -> Cards:
    """Return the cards of these models as they are written, without markups."""
    cards: Cards = {slug: [] for slug in models}
    rates = Rate.objects.filter(model__in=cards).select_related("model")
    if until is not None:
        rates = rates.filter(starts_at__lte=until)
    ordered = rates.order_by("model", "-starts_at", "unit", "prompt_tokens_from")
    for (slug, starts_at), of_card in groupby(
        ordered, key=lambda rate: (rate.model_id, rate.starts_at)
    ):
        cards[slug].append((starts_at, card_of(list(of_card))))
    return cards


def in_force(cards: Cards, model: AIModel, moment: datetime) -> RateCard:
    """Return the prices of a model at a moment: those of its hour.

    :raises Unpriced: if it has none yet
    """
    return whole_day(cards, model, moment).at(moment)


def whole_day(cards: Cards, model: AIModel, moment: datetime) -> RateCard:
    """Return the card of a model at a moment, with the prices of all hours.

    :raises Unpriced: if it has none yet
    """
    for starts_at, card in cards[model.slug]:
        if starts_at <= moment:
            return card
    raise Unpriced(f"{model.slug} has no price")


def card_of(rates: Sequence[Rate]) -> RateCard:
    """Return the card that some rates of one model and beginning are."""
    first = rates[0]
    return RateCard(
        starts_at=first.starts_at.isoformat(),
        prices=tuple(_price(rate) for rate in rates),
        input_includes_cached=first.model.input_includes_cached,
        output_includes_reasoning=first.model.output_includes_reasoning,
    )


def _price(rate: Rate) -> Price:
    return Price(
        unit=rate.unit,
        amount=rate.amount,
        prompt_from=rate.prompt_tokens_from,
        variant=rate.variant,
        hours=rate.hours,
        at_least=rate.at_least,
    )
