"""What the price of work is told by: prices and counts. Numbers in, nothing is computed of them here."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal
from types import MappingProxyType
from typing import NamedTuple

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
    """The model has no price for this work: it is refused, never free. `unit` is what has none; empty where nothing has."""

    def __init__(self, sentence: str, unit: str = "") -> None:
        super().__init__(sentence)
        self.unit = unit


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
        return as_text(self.amount)


def counts_of(tokens: Tokens) -> dict[str, int]:
    """Return the counts of tokens by the names of their classes."""
    return dict(vars(tokens))


def as_text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize(EXACT):f}"
