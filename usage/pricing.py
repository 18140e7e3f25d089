"""What usage costs. The only place an amount of credits is computed or rounded. Pure: numbers in, credits out.

A rate card is the prices of one model from one moment on: a row for each unit (`usage.units`), and more of them for prompts from a
length on, for a variant of the service, for hours of the day. One convention rules all: `input_tokens` is all that went in and
`output_tokens` all that came out; parts are taken out of their whole, and a part without a price of its own costs what its whole does.
Each unit takes the row of the longest prompt that the request reaches. Amounts are rounded once, at the end, up, to six places.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal, localcontext
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from usage.hours import is_within, next_edge
from usage.units import (
    CACHE_READ,
    CACHE_WRITE,
    DIRECTIONS,
    EVERY_PER,
    INPUT,
    ORDER,
    OUTPUT,
    PARTS,
    REASONING,
    REQUESTS,
    TEXT,
    TOOLS,
    UNITS,
    WHOLES,
)

SMALLEST_CREDIT = Decimal("0.000001")
ZERO = Decimal(0)
EXACT = Context(prec=80, rounding=ROUND_UP)
"""Sums are exact, and their one division ends above the true value rather than below it."""

Count = int | Decimal
"""Seconds may have parts of one; all else is whole."""
Counts = Mapping[str, Count]
"""What was used, by unit: wholes with their parts counted in."""
NOTHING: Counts = MappingProxyType({})


STANDARD = ("", "default", "standard")
"""What providers call the way of being served that is nothing special."""


class Unpriced(Exception):
    """The model has no price for this work: it is refused, never free."""


class ImpossibleTokens(Exception):
    """The counts contradict each other."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of one piece of work, by class, as its provider counts them."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class Price(NamedTuple):
    """A row of a card: credits for as many of a unit as its prices are of; None is known to cost something, and priced nowhere."""

    unit: str
    amount: Decimal | None
    prompt_from: int = 0
    """For prompts of at least so many tokens."""
    variant: str = ""
    """For this way of being served only, like `processing=batch`; empty is all that have no price of their own."""
    hours: str = ""
    """In these hours of the day only, like `00:30-16:30` (UTC)."""
    at_least: int = 0
    """So many are charged where there are fewer, but some."""

    @property
    def text(self) -> str | None:
        """Its credits as they are written: exactly, and None where it has none."""
        return _as_text(self.amount)


class Sheet:
    """The prices of a card for one variant: of each unit its steps by the length of the prompt."""

    def __init__(self, prices: Sequence[Price], variant: str) -> None:
        of_all: dict[str, list[Price]] = {}
        of_variant: dict[str, list[Price]] = {}
        for each in prices:
            if not each.hours and each.variant in ("", variant):
                found = of_variant if each.variant else of_all
                found.setdefault(each.unit, []).append(each)
        steps = of_all | of_variant
        self.steps = {unit: sorted(steps[unit], key=_start) for unit in sorted(steps, key=_place)}
        """Parts before their wholes."""
        self.parts = {
            unit: [part for part in self.steps if part in PARTS.get(unit, ())]
            for unit in self.steps
        }
        self.known = {
            unit
            for unit, rows in self.steps.items()
            if any(each.amount is not None for each in rows)
        }
        """What has a price, at least for some prompts."""

    @property
    def starts(self) -> list[int]:
        """From which lengths of the prompt something costs otherwise."""
        return sorted({each.prompt_from for rows in self.steps.values() for each in rows})

    def of(self, unit: str, prompt: int, *, work_is_done: bool) -> Decimal:
        """Return the price of a unit for a prompt of this length; of done work, where it has none, the dearest that it has, or what it is
        a part of.

        :raises Unpriced: if it has none
        """
        found = self.reached(unit, prompt)
        if found is not None and found.amount is not None:
            return found.amount
        if work_is_done:
            known = self._amounts(unit) or [
                amount for whole in WHOLES[unit] & self.known for amount in self._amounts(whole)
            ]
            if known:
                return max(known)
        raise Unpriced(f"no price for {unit} of a prompt of {prompt} tokens")

    def reached(self, unit: str, prompt: int) -> Price | None:
        """Return the row of a unit for a prompt of this length."""
        reached = None
        for each in self.steps[unit]:
            if each.prompt_from > prompt:
                break
            reached = each
        return reached

    def _amounts(self, unit: str) -> list[Decimal]:
        return [each.amount for each in self.steps[unit] if each.amount is not None]

    def sells(self, unit: str) -> bool:
        """Whether a unit has a price: its own, or that of what it is a part of. One of a request is for all that is done in it."""
        is_sold = unit in self.known or not WHOLES[unit].isdisjoint(self.known)
        return is_sold or REQUESTS in self.known

    def unpriced(self, counts: Counts) -> list[str]:
        """Return what is counted and would be charged by nothing: it has no price, is no part of what has one, and is not the same work in
        another measure. A request that has a price is all that is done in it."""
        return [
            unit
            for unit, count in counts.items()
            if count and unit not in self.known and not self._is_charged(unit, counts)
        ]

    def _is_charged(self, unit: str, counts: Counts) -> bool:
        """Whether something else charges a unit: its whole; or of text the measure by which the same work is sold, if it is counted too.
        Where only what goes in is sold, the text that comes out is in its price, and the other way round."""
        if self.sells(unit):
            return True
        if unit not in TEXT:
            return False
        measures, direction = self.known - TOOLS, DIRECTIONS[unit]
        same = {each for each in measures if DIRECTIONS[each] in ("", direction)}
        return any(counts.get(each) for each in same) if same else bool(measures)

    def shares(self, counts: Counts) -> dict[str, Count]:
        """Return how much of each unit is charged by its own price: what is in no part that has one.

        Of parts that are more than their whole, as much counts as it contains.
        """
        shares: dict[str, Count] = {}
        for unit, parts in self.parts.items():
            inside = sum(shares[part] for part in parts)
            told = counts.get(unit)
            count = inside if told is None else self._billed(unit, told)
            if count < inside:
                _shrink(shares, parts, inside - count)
            shares[unit] = max(0, count - inside)
        if REQUESTS in shares:
            shares[REQUESTS] = 1
        return shares

    def _billed(self, unit: str, count: Count) -> Count:
        return max(count, self.steps[unit][0].at_least) if count else 0


def _shrink(shares: dict[str, Count], parts: Sequence[str], excess: Count) -> None:
    for part in reversed(parts):
        taken = min(shares[part], excess)
        shares[part] -= taken
        excess -= taken


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
        """Whether what comes out costs, as tokens."""
        return any(each.unit == OUTPUT and each.amount for each in self.prices)

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
        if any(each.variant == variant for each in self.prices):
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
                [each.unit, each.prompt_from, each.variant, _as_text(each.amount), each.at_least]
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


def price(
    card: RateCard,
    tokens: Tokens,
    *,
    units: Counts = NOTHING,
    variant: str = "",
    work_is_done: bool = False,
) -> Decimal:
    """Return what this work costs in credits, rounded up.

    :param units: what there is of it besides tokens
    :param work_is_done: rather than refuse, charge: for a prompt without prices by the dearest that there are, and of a part that is larger
        than the count that contains it as much as it contains
    :raises Unpriced: if there is no price for this work
    :raises ImpossibleTokens: if a part is larger than the count that contains it, and the work is not done
    """
    problem = contradiction(card, tokens)
    if problem and not work_is_done:
        raise ImpossibleTokens(problem)
    counts = {**counted(card, tokens), **units}
    return price_of(card, counts, variant=variant, work_is_done=work_is_done)


def price_of(
    card: RateCard, counts: Counts, *, variant: str = "", work_is_done: bool = False
) -> Decimal:
    """Return what so many of each unit cost in credits, rounded up.

    :raises Unpriced: if there is no price for this work, or for a unit of it
    """
    with localcontext(EXACT):
        exact = _sum(card.sheet(variant), counts, work_is_done=work_is_done) / EVERY_PER
        return exact.quantize(SMALLEST_CREDIT, rounding=ROUND_UP)


def is_free(card: RateCard) -> bool:
    """Whether no work costs anything by this card."""
    return not any(each.amount for each in card.prices)


def contradiction(card: RateCard, tokens: Tokens) -> str:
    """Return where a part is larger than the count that contains it, in words; nothing where none is."""
    cached = tokens.cached_input + tokens.cache_write
    problems = []
    if card.input_includes_cached and cached > tokens.input:
        problems.append(f"{cached} cached tokens of {tokens.input} input tokens")
    if card.output_includes_reasoning and tokens.reasoning > tokens.output:
        problems.append(f"{tokens.reasoning} reasoning tokens of {tokens.output} output tokens")
    return ", ".join(problems)


def counted(card: RateCard, tokens: Tokens) -> Counts:
    """Return tokens by unit, whoever counts them: wholes with their parts in."""
    whole_input, whole_output = tokens.input, tokens.output
    if not card.input_includes_cached:
        whole_input += tokens.cached_input + tokens.cache_write
    if not card.output_includes_reasoning:
        whole_output += tokens.reasoning
    return {
        INPUT: whole_input,
        CACHE_READ: tokens.cached_input,
        CACHE_WRITE: tokens.cache_write,
        OUTPUT: whole_output,
        REASONING: tokens.reasoning,
    }


def dearest(card: RateCard, variant: str = "") -> RateCard:
    """Return the card by which work is held before it is known how it goes: no work within the counts that were asked costs more.

    Whatever is asked may all be the dearest part of it: a prompt all written to a cache, output all reasoning. A shorter prompt than was
    asked may cost more, too.
    """
    return card.dearest(variant)


def affordable_output(
    card: RateCard, tokens: Tokens, budget: Decimal, *, units: Counts = NOTHING
) -> int:
    """Return how many output tokens `budget` buys after the whole input and all other units; less than 1 is none.

    :raises Unpriced: if there is no price for this work
    """
    counts = {**counted(card, replace(tokens, output=0, reasoning=0)), **units}
    sheet = card.sheet()
    with localcontext(EXACT):
        left = budget * EVERY_PER - _sum(sheet, counts, work_is_done=False)
        if left < 0:
            return 0
        each = ZERO
        if OUTPUT in sheet.steps:
            each = _factor(OUTPUT, sheet.of(OUTPUT, int(counts[INPUT]), work_is_done=False))
        if not each:
            return tokens.output
        count = (left / each).quantize(Decimal(1), rounding=ROUND_DOWN)
    return min(tokens.output, int(count))


def charged(
    sheet: Sheet, counts: Counts, *, work_is_done: bool = False
) -> Iterator[tuple[str, Count, Decimal]]:
    """Yield of each unit how much of it is charged by its own price, and that price: the lines of the sum.

    :raises Unpriced: if something has no price
    """
    if not sheet.known:
        raise Unpriced("no price for any work")
    for unit in sheet.unpriced(counts):
        raise Unpriced(f"no price for {unit}")
    prompt = int(counts.get(INPUT, 0))
    for unit, share in sheet.shares(counts).items():
        if share or not work_is_done:
            yield unit, share, sheet.of(unit, prompt, work_is_done=work_is_done)


def _sum(sheet: Sheet, counts: Counts, *, work_is_done: bool) -> Decimal:
    """Return the exact price, times `EVERY_PER`."""
    total = ZERO
    for unit, share, each in charged(sheet, counts, work_is_done=work_is_done):
        total += share * _factor(unit, each)
    return total


def _factor(unit: str, amount: Decimal) -> Decimal:
    """Return the price of one, times `EVERY_PER`."""
    return amount * (EVERY_PER // UNITS[unit].per)


def _start(price: Price) -> int:
    return price.prompt_from


def _place(unit: str) -> int:
    return ORDER.get(unit, -1)


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


def counts_of(tokens: Tokens) -> dict[str, int]:
    """Return the counts of tokens by the names of their classes."""
    return dict(vars(tokens))


def freeze(card: RateCard) -> dict[str, Any]:
    """Return a rate card as JSON that is kept with a hold: amounts as text, so that none turns into a float. Nobody changes it."""
    return card.frozen


def asked_variant(frozen: Mapping[str, Any]) -> str:
    """Return the variant that was asked for with a card that was frozen; empty if none was."""
    return str(frozen.get("variant", ""))


def thaw(frozen: dict[str, Any]) -> RateCard:
    """Return the rate card that `freeze` wrote."""
    return RateCard(
        starts_at=frozen["starts_at"],
        prices=tuple(
            Price(unit, None if amount is None else Decimal(amount), start, variant, "", least)
            for unit, start, variant, amount, least in frozen["prices"]
        ),
        input_includes_cached=frozen["input_includes_cached"],
        output_includes_reasoning=frozen["output_includes_reasoning"],
    )


def _as_text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize(EXACT):f}"
