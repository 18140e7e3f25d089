"""What usage costs. The only place an amount of credits is computed or rounded. Pure: numbers in, credits out.

A rate card is the prices of one model from one moment on: in bands by the length of the prompt, and in each band a price per million
tokens of each class. The band is chosen per request, by its prompt, and prices every token of it, the output too. Amounts are rounded
once, at the end, up, to six places.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from functools import cached_property
from typing import Any

SMALLEST_CREDIT = Decimal("0.000001")
MILLION = Decimal(1_000_000)
ZERO = Decimal(0)
BAND_START = "prompt_tokens_from"


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


@dataclass(frozen=True)
class Band:
    """Prices in credits per million tokens, for prompts of at least `prompt_tokens_from`.

    A class without a price of its own costs as much as input (cache) or output (reasoning).
    """

    prompt_tokens_from: int
    input: Decimal | None
    output: Decimal | None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    per_request: Decimal | None = None
    """What a request in this band costs besides; None is what the card says."""

    @property
    def is_priced(self) -> bool:
        return self.input is not None and self.output is not None


@dataclass(frozen=True)
class RateCard:
    """The prices of one model from `starts_at` (ISO 8601) on, its bands by ascending prompt length.

    `input_includes_cached`: the provider's input count contains the cached tokens (OpenAI, Google), so they are taken out of it before
    they are priced on their own; counting both is the most common double charge. Likewise `output_includes_reasoning`.
    """

    starts_at: str
    bands: tuple[Band, ...]
    input_includes_cached: bool = False
    output_includes_reasoning: bool = False
    per_request: Decimal = ZERO
    per_unit: Decimal = ZERO

    @cached_property
    def dearest(self) -> "RateCard":
        """What `dearest` returns: computed once, for a card is asked for again and again."""
        bands, reachable, done = [], list[Band](), _dearest_band(self)
        for band in self.bands:
            reachable.append(band if band.is_priced else done or band)
            dear = Band(
                band.prompt_tokens_from,
                input=max(_most_of_input(each) for each in reachable),
                output=max(_most_of_output(each) for each in reachable),
                per_request=max(_fee(self, each) for each in reachable),
            )
            bands.append(dear if band.is_priced else band)
        return replace(self, bands=tuple(bands))

    @cached_property
    def frozen(self) -> dict[str, Any]:
        """What `freeze` returns, likewise made once."""
        frozen: dict[str, Any] = _as_text(asdict(self))
        return frozen

    @cached_property
    def frozen_text(self) -> str:
        """The same as JSON text."""
        return json.dumps(self.frozen)


def price(card: RateCard, tokens: Tokens, *, units: int = 0, work_is_done: bool = False) -> Decimal:
    """Return what this work costs in credits, rounded up.

    :param work_is_done: rather than refuse, charge: in a band without prices by the dearest that has some, and of a part that is larger
        than the count that contains it as much as it contains
    :raises Unpriced: if the band of this prompt has no prices
    :raises ImpossibleTokens: if a part is larger than the count that contains it, and the work is not done
    """
    problem = contradiction(card, tokens)
    if problem and not work_is_done:
        raise ImpossibleTokens(problem)
    counted = _exclusive(card, tokens)
    band = _band(card, _prompt(counted), work_is_done=work_is_done)
    exact = _tokens_price(band, counted) + _fee(card, band) + card.per_unit * units
    return exact.quantize(SMALLEST_CREDIT, rounding=ROUND_UP)


def is_free(card: RateCard) -> bool:
    """Whether no work costs anything by this card."""
    return not card.per_request and not any(
        price for band in card.bands for name, price in vars(band).items() if name != BAND_START
    )


def contradiction(card: RateCard, tokens: Tokens) -> str:
    """Return where a part is larger than the count that contains it, in words; nothing where none is."""
    cached = tokens.cached_input + tokens.cache_write
    problems = []
    if card.input_includes_cached and cached > tokens.input:
        problems.append(f"{cached} cached tokens of {tokens.input} input tokens")
    if card.output_includes_reasoning and tokens.reasoning > tokens.output:
        problems.append(f"{tokens.reasoning} reasoning tokens of {tokens.output} output tokens")
    return ", ".join(problems)


def dearest(card: RateCard) -> RateCard:
    """Return the card by which work is held before it is known how it goes: no work within the counts that were asked costs more.

    All input may be written to a cache, all output may be reasoning, and a shorter prompt than was asked may fall in a band that costs
    more.
    """
    return card.dearest


def affordable_output(card: RateCard, tokens: Tokens, budget: Decimal) -> int:
    """Return how many output tokens `budget` buys after the whole input; less than 1 is none.

    :raises Unpriced: if the band of this prompt has no prices
    """
    without_output = Tokens(tokens.input, tokens.cached_input, tokens.cache_write)
    counted = _exclusive(card, without_output)
    band = _band(card, _prompt(counted), work_is_done=False)
    left = budget - _tokens_price(band, counted) - _fee(card, band)
    if left < 0:
        return 0
    if not band.output:
        return tokens.output
    count = (left * MILLION / band.output).quantize(Decimal(1), rounding=ROUND_DOWN)
    return min(tokens.output, int(count))


def _exclusive(card: RateCard, tokens: Tokens) -> Tokens:
    """Return the counts so that no token is in two of them. Of a part that is too large counts what its whole can contain."""
    if not (tokens.cached_input or tokens.cache_write or tokens.reasoning):
        return tokens
    cached_input, cache_write, reasoning = tokens.cached_input, tokens.cache_write, tokens.reasoning
    input_left, output_left = tokens.input, tokens.output
    if card.input_includes_cached:
        cached_input = min(cached_input, input_left)
        cache_write = min(cache_write, input_left - cached_input)
        input_left -= cached_input + cache_write
    if card.output_includes_reasoning:
        reasoning = min(reasoning, output_left)
        output_left -= reasoning
    return Tokens(input_left, cached_input, cache_write, output_left, reasoning)


def _prompt(counted: Tokens) -> int:
    return counted.input + counted.cached_input + counted.cache_write


def _band(card: RateCard, prompt_tokens: int, *, work_is_done: bool) -> Band:
    reached = [band for band in card.bands if band.prompt_tokens_from <= prompt_tokens]
    if reached and reached[-1].is_priced:
        return reached[-1]
    done = _dearest_band(card)
    if not work_is_done or done is None:
        raise Unpriced(f"no price for a prompt of {prompt_tokens} tokens")
    return done


def _dearest_band(card: RateCard) -> Band | None:
    priced = [band for band in card.bands if band.is_priced]
    return max(priced, key=lambda band: (band.output or ZERO, band.input or ZERO), default=None)


def _most_of_input(band: Band) -> Decimal:
    return max(price or ZERO for price in (band.input, band.cached_input, band.cache_write))


def _most_of_output(band: Band) -> Decimal:
    return max(band.output or ZERO, band.reasoning or ZERO)


def _fee(card: RateCard, band: Band) -> Decimal:
    return _or(band.per_request, card.per_request)


def _tokens_price(band: Band, counted: Tokens) -> Decimal:
    input_price, output_price = band.input or ZERO, band.output or ZERO
    parts = (
        (counted.input, input_price),
        (counted.cached_input, _or(band.cached_input, input_price)),
        (counted.cache_write, _or(band.cache_write, input_price)),
        (counted.output, output_price),
        (counted.reasoning, _or(band.reasoning, output_price)),
    )
    return sum((count * each for count, each in parts if count), ZERO) / MILLION


def _or(own: Decimal | None, other: Decimal) -> Decimal:
    return other if own is None else own


def counts_of(tokens: Tokens) -> dict[str, int]:
    """Return the counts of tokens by the names of their classes."""
    return dict(vars(tokens))


def freeze(card: RateCard) -> dict[str, Any]:
    """Return a rate card as JSON that is kept with a hold: amounts as text, so that none turns into a float. Nobody changes it."""
    return card.frozen


def thaw(frozen: dict[str, Any]) -> RateCard:
    """Return the rate card that `freeze` wrote."""
    bands = tuple(_band_of(band) for band in frozen["bands"])
    return RateCard(
        starts_at=frozen["starts_at"],
        bands=bands,
        input_includes_cached=frozen["input_includes_cached"],
        output_includes_reasoning=frozen["output_includes_reasoning"],
        per_request=Decimal(frozen["per_request"]),
        per_unit=Decimal(frozen["per_unit"]),
    )


def _band_of(frozen: dict[str, Any]) -> Band:
    start = frozen[BAND_START]
    prices = {name: value for name, value in frozen.items() if name != BAND_START}
    return Band(start, **{n: None if v is None else Decimal(v) for n, v in prices.items()})


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: _as_text(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_text(each) for each in value]
    return value
