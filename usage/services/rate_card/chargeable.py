"""Whether work can be charged by a card: what it prices has a price for prompts of all lengths, at all hours, beside its parts."""

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations, groupby

from usage.models import Rate
from usage.services.rate_card.lists import InvalidRateCard, PriceList, card_of
from usage.units import OUTPUT, UNITS, WHOLES, overlap


def require_chargeable(listed: PriceList) -> None:
    """Refuse cards that cannot charge what they price.

    :raises InvalidRateCard: naming the model, the date, the line and the units
    """
    for card, rates in groupby(sorted(listed.rates, key=card_of), key=card_of):
        problem = problem_of(list(rates))
        if problem is not None:
            (slug, starts_at), line = card, listed.lines.get(card)
            on = f" (line {line})" if line else ""
            raise InvalidRateCard(f"model {slug}, rate of {starts_at:%Y-%m-%d}{on}: {problem}")


def problem_of(card: Sequence[Rate]) -> str | None:
    """Return why work could not be charged by the rates of one card, in words; None if it could."""
    for step, rates in _steps(card):
        if min(rate.prompt_tokens_from for rate in rates) > 0:
            return f"{step}: no price from 0 tokens on: a shorter prompt would have none"
        if len({rate.at_least for rate in rates}) > 1:
            return f"{step}: at_least is not the same for prompts of all lengths"
    units = {rate.unit for rate in card if not rate.variant and not rate.hours}
    for rate in card:
        if rate.hours and rate.unit not in units:
            return f"{rate.unit} at {rate.hours}: it has no price for the rest of the day"
    for variant in ["", *sorted({rate.variant for rate in card if rate.variant})]:
        said = f"{variant}: " if variant else ""
        problem = _gap({rate.unit for rate in card if rate.variant in ("", variant)})
        if problem is not None:
            return said + problem
    return None


def _gap(units: Collection[str]) -> str | None:
    """Return which price is missing beside those of some units."""
    for unit in sorted(units):
        missing = sorted(WHOLES[unit] - set(units))
        if missing:
            return f"{unit} without {missing[0]}, of which it is a part"
    for one, other in combinations(sorted(units), 2):
        both = overlap(one, other)
        if both is not None and both not in units:
            return f"{one} and {other} overlap: {both} is missing"
    directions = {dict(UNITS[unit].dimensions).get("direction") for unit in units}
    if OUTPUT in units and "input" not in directions:
        return f"{OUTPUT} without any price of what goes in"
    return None


def _steps(card: Iterable[Rate]) -> Iterable[tuple[str, list[Rate]]]:
    def which(rate: Rate) -> tuple[str, str, str]:
        return rate.unit, rate.variant, rate.hours

    for step, rates in groupby(sorted(card, key=which), key=which):
        yield ", ".join(part for part in step if part), list(rates)
