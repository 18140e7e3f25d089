"""A card: all prices of one model from a moment on, of its hours and variants; what is held by it, and how it is kept with a hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, localcontext
from functools import cached_property, lru_cache
from typing import Any

from usage.hours import is_within, next_edge
from usage.pricing.shapes import EXACT, STANDARD, ZERO, Price, Unpriced, as_text
from usage.pricing.sheet import Sheet
from usage.units import OUTPUT

KEPT = 1_000
"""How many cards that holds keep are kept read: 10 kB each, where there are dozens of prices."""


@dataclass(frozen=True)
class RateCard:
    """The prices of one model from `starts_at` (ISO 8601) on.

    `input_includes_cached`: the provider's own input count contains the cached tokens (OpenAI, Google); where it does not (Anthropic), a
    `Tokens` of it is put together to the whole. Likewise `output_includes_reasoning`.
    """

    starts_at: str
    prices: tuple[Price, ...]
    input_includes_cached: bool = False
    output_includes_reasoning: bool = False
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was computed of it once: a card is asked for again and again."""

    @property
    def is_priced(self) -> bool:
        """Whether it has any price."""
        return any(each.amount is not None for each in self.prices)

    @cached_property
    def prices_output(self) -> bool:
        """Whether what comes out costs, as tokens: also where nobody knows how much."""
        return any(each.unit == OUTPUT and each.amount != 0 for each in self.prices)

    def sheet(self, variant: str = "") -> Sheet:
        """Return its prices for a variant."""
        found: Sheet | None = self._made.get(("sheet", variant))
        if found is None:
            found = self._made[("sheet", variant)] = Sheet(self.prices, variant)
        return found

    def at(self, moment: datetime) -> "RateCard":
        """Return the card of a moment's hour: prices of the hours that it is in instead of those of the day."""
        if not self._spans:
            return self
        now = tuple(span for span in self._spans if is_within(span, moment))
        found: RateCard | None = self._made.get(("at", now))
        if found is None:
            found = self._made[("at", now)] = replace(self, prices=self._prices_in(now))
        return found

    def times(self, factor: Decimal, starts_at: str) -> "RateCard":
        """Return the card with each amount multiplied, exactly, as it is from a moment on."""
        if factor == 1 and starts_at == self.starts_at:
            return self
        with localcontext(EXACT):
            prices = tuple(
                each if each.amount is None else each._replace(amount=each.amount * factor)
                for each in self.prices
            )
        return replace(self, starts_at=starts_at, prices=prices)

    def changes_after(self, moment: datetime) -> list[datetime]:
        """Return when hours of it begin or end next."""
        return [next_edge(span, moment) for span in self._spans]

    @cached_property
    def _spans(self) -> tuple[str, ...]:
        return tuple(sorted({each.hours for each in self.prices if each.hours}))

    @cached_property
    def _variants(self) -> frozenset[str]:
        return frozenset(each.variant for each in self.prices)

    def _prices_in(self, spans: Sequence[str]) -> tuple[Price, ...]:
        instead = [each._replace(hours="") for each in self.prices if each.hours in spans]
        taken = {(each.unit, each.variant) for each in instead}
        rest = (
            each
            for each in self.prices
            if not each.hours and (each.unit, each.variant) not in taken
        )
        return (*instead, *rest)

    def served(self, variant: str) -> str | None:
        """Return by which prices work is charged that was served so: those of the variant, or the standard ones if it is called standard;
        None if it has no prices of this variant."""
        if variant in self._variants:
            return variant
        return "" if variant.partition("=")[2] in STANDARD else None

    def dearest(self, variant: str = "") -> "RateCard":
        """Return what `dearest` returns: computed once."""
        found: RateCard | None = self._made.get(("dearest", variant))
        if found is None:
            found = self._made[("dearest", variant)] = _dearest(self, variant)
        return found

    @cached_property
    def frozen(self) -> dict[str, Any]:
        """What `freeze` returns, likewise made once."""
        return {
            "starts_at": self.starts_at,
            "input_includes_cached": self.input_includes_cached,
            "output_includes_reasoning": self.output_includes_reasoning,
            "prices": [
                [each.unit, each.prompt_from, each.variant, as_text(each.amount), each.at_least]
                for each in self.prices
                if not each.hours
            ],
        }

    def frozen_for(self, variant: str) -> dict[str, Any]:
        """The same, with the variant that was asked for, if one was."""
        return {**self.frozen, "variant": variant} if variant else self.frozen

    def frozen_text(self, variant: str = "") -> str:
        """The same as JSON text: written once."""
        found: str | None = self._made.get(("text", variant))
        if found is None:
            found = self._made[("text", variant)] = json.dumps(self.frozen_for(variant))
        return found


def dearest(card: RateCard, variant: str = "") -> RateCard:
    """Return the card by which work is held before it is known how it goes: no work within the counts that were asked costs more.

    Whatever is asked may all be the dearest part of it: a prompt all written to a cache, output all reasoning. A shorter prompt than was
    asked may cost more, too.
    """
    return card.dearest(variant)


def _dearest(card: RateCard, variant: str) -> RateCard:
    sheet, prices = card.sheet(variant), list[Price]()
    for unit in sheet.steps:
        # Work may as well have less of a cheap part than was asked: so a part is held by what is beside it too.
        wholes = [whole for whole in sheet.steps if unit in sheet.parts[whole]]
        within = [unit, *sheet.parts[unit], *wholes]
        for whole in wholes:
            within += sheet.parts[whole]
        least = max(sheet.steps[each][0].at_least for each in within)
        most = ZERO
        for start in sheet.starts:
            own = sheet.reached(unit, start)
            most = max(most, *(_done(sheet, each, start) for each in within))
            if own is not None:
                amount = None if own.amount is None else most
                prices.append(Price(unit, amount, start, at_least=least))
    return replace(card, prices=tuple(prices))


def _done(sheet: Sheet, unit: str, prompt: int) -> Decimal:
    try:
        return sheet.of(unit, prompt, work_is_done=True)
    except Unpriced:
        return ZERO


def is_free(card: RateCard) -> bool:
    """Whether no work costs anything by this card."""
    return not any(each.amount for each in card.prices)


def freeze(card: RateCard) -> dict[str, Any]:
    """Return a rate card as JSON that is kept with a hold: amounts as text, so that none turns into a float. Nobody changes it."""
    return card.frozen


def asked_variant(frozen: Mapping[str, Any]) -> str:
    """Return the variant that was asked for with a card that was frozen; empty if none was."""
    return str(frozen.get("variant", ""))


def thaw(frozen: Mapping[str, Any]) -> RateCard:
    """Return the rate card that `freeze` wrote. Of the same prices it is the same one: what is computed of a card is computed once."""
    flags = frozen["input_includes_cached"], frozen["output_includes_reasoning"]
    return _thawed(frozen["starts_at"], tuple(map(tuple, frozen["prices"])), *flags)


@lru_cache(KEPT)
def _thawed(
    starts_at: str,
    prices: tuple[tuple[Any, ...], ...],
    input_includes_cached: bool,
    output_includes_reasoning: bool,
) -> RateCard:
    return RateCard(
        starts_at=starts_at,
        prices=tuple(
            Price(unit, None if amount is None else Decimal(amount), start, variant, "", least)
            for unit, start, variant, amount, least in prices
        ),
        input_includes_cached=input_includes_cached,
        output_includes_reasoning=output_includes_reasoning,
    )
