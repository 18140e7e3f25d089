"""What work costs by a card, and how much of it a budget buys. The only place an amount of credits is rounded: once, at the end, up."""

from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext

from usage.pricing.cards import RateCard
from usage.pricing.shapes import (
    EXACT,
    NOTHING,
    SMALLEST_CREDIT,
    ZERO,
    Counts,
    ImpossibleTokens,
    Tokens,
)
from usage.pricing.sheet import exact_price, of_one
from usage.units import CACHE_READ, CACHE_WRITE, EVERY_PER, INPUT, OUTPUT, REASONING


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
        exact = exact_price(card.sheet(variant), counts, work_is_done=work_is_done) / EVERY_PER
        return exact.quantize(SMALLEST_CREDIT, rounding=ROUND_UP)


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


def affordable_output(
    card: RateCard, tokens: Tokens, budget: Decimal, *, units: Counts = NOTHING
) -> int:
    """Return how many output tokens `budget` buys after the whole input and all other units; less than 1 is none.

    :raises Unpriced: if there is no price for this work
    """
    counts = {**counted(card, replace(tokens, output=0, reasoning=0)), **units}
    sheet = card.sheet()
    with localcontext(EXACT):
        left = budget * EVERY_PER - exact_price(sheet, counts, work_is_done=False)
        if left < 0:
            return 0
        each = ZERO
        if OUTPUT in sheet.steps:
            each = of_one(OUTPUT, sheet.of(OUTPUT, int(counts[INPUT]), work_is_done=False))
        if not each:
            return tokens.output
        count = (left / each).quantize(Decimal(1), rounding=ROUND_DOWN)
    return min(tokens.output, int(count))
