"""The rate card: which prices a model has at a moment."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from usage.models import AIModel, Rate
from usage.pricing import Band, RateCard, Unpriced

Dated = tuple[datetime, RateCard]
"""A card, and the moment it begins."""
Cards = dict[str, list[Dated]]
"""The cards of each model by its slug, newest first."""


def cards_of(models: Iterable[AIModel], *, until: datetime | None = None) -> Cards:
    """Return the cards of these models: all of them, or those that begin at or before a moment."""
    cards: Cards = {model.slug: [] for model in models}
    rates = Rate.objects.filter(model__in=cards)
    if until is not None:
        rates = rates.filter(starts_at__lte=until)
    ordered = rates.order_by("model", "-starts_at", "prompt_tokens_from")
    for (slug, starts_at), bands in groupby(
        ordered, key=lambda rate: (rate.model_id, rate.starts_at)
    ):
        cards[slug].append((starts_at, _card(list(bands))))
    return cards


def in_force(cards: Cards, model: AIModel, moment: datetime) -> RateCard:
    """Return the prices of a model at a moment.

    :raises Unpriced: if it has none yet
    """
    for starts_at, card in cards[model.slug]:
        if starts_at <= moment:
            return card
    raise Unpriced(f"{model.slug} has no price")


def _card(rates: Sequence[Rate]) -> RateCard:
    first = rates[0]
    return RateCard(
        starts_at=first.starts_at.isoformat(),
        bands=tuple(_band(rate, first) for rate in rates),
        input_includes_cached=first.input_includes_cached,
        output_includes_reasoning=first.output_includes_reasoning,
        per_request=first.per_request,
        per_unit=first.per_unit,
    )


def _band(rate: Rate, first: Rate) -> Band:
    """Return a band of a card. What a request costs is of the whole card: where its rows disagree, the dearer counts."""
    return Band(
        prompt_tokens_from=rate.prompt_tokens_from,
        input=rate.input,
        output=rate.output,
        cached_input=rate.cached_input,
        cache_write=rate.cache_write,
        reasoning=rate.reasoning,
        per_request=max(rate.per_request, first.per_request),
    )
