"""The rate card of a model as a person reads it: what each unit costs now and from when on otherwise, in credits, markups included."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from credits.models import ZERO
from usage.models import AIModel
from usage.pricing import EXACT, Price, RateCard
from usage.services import markups, rates
from usage.services.markups import Rule
from usage.services.rates import Cards, Dated
from usage.units import UNITS

AHEAD = 3
"""How many cards that are to come stand beside the one in force."""
PER = {1_000_000: "a million", 3_600: "an hour", 1_000: "a thousand", 10**9: "a thousand million"}
SMALLER = {
    1_000_000: (1_000, "a thousand"),
    3_600: (60, "a minute"),
    1_000: (1_000, "each"),
    10**9: (1_000, "a million"),
}
"""And of what a price is said too: by what it is divided, and how that many are called."""
_DIRECTIONS = {"input": 0, "output": 1}

Step = tuple[str, str, str, int]


class Cell(NamedTuple):
    """What a unit costs by one card; `change` says what becomes of it beside the card before."""

    is_there: bool = False
    amount: Decimal | None = None
    written: Decimal | None = None
    """As the card has it, before the markup."""
    smaller: Decimal | None = None
    change: str = ""


class Column(NamedTuple):
    """A card that is or was in force: since when, until when, and by what its prices are multiplied."""

    starts_at: datetime
    ends_at: datetime | None
    factor: Decimal
    state: str

    @property
    def is_marked_up(self) -> bool:
        return self.factor != 1


class Row(NamedTuple):
    """A price of a unit: for prompts from a length on, for a variant, in hours."""

    unit: str
    per: str
    smaller_per: str
    prompt_from: int
    variant: str
    hours: str
    at_least: int
    cells: list[Cell]
    is_part: bool


class Shown(NamedTuple):
    """The card of a model: its columns, the one in force and those to come, and a row for each price."""

    columns: list[Column]
    rows: list[Row]
    later: int
    """How many cards more are to come than stand here."""


def card_of(model: AIModel, *, now: datetime, also: datetime | None = None) -> Shown:
    """Return what a model costs now and later, for whoever has no prices of their own.

    :param also: the beginning of a card of the past that is shown before them
    """
    written = rates.listed([model.slug])[model.slug]
    rules = [rule for rule in markups.of_all() if rule.is_of(model)]
    marked_up = markups.marked_up(written, rules, model)[::-1]
    begun = [starts_at for starts_at, _ in marked_up if starts_at <= now]
    ahead = [starts_at for starts_at, _ in marked_up if starts_at > now]
    shown = [each for each in begun[:-1] if each == also] + begun[-1:] + ahead[:AHEAD]
    starts = [starts_at for starts_at, _ in marked_up]
    columns = [_column(each, starts, rules, now) for each in shown]
    cards = [_prices(_written_at(written, each)) for each in shown]
    return Shown(columns, _rows(columns, cards), max(0, len(ahead) - AHEAD))


def table_of(starts_at: datetime, before: RateCard | None, after: RateCard) -> list[Row]:
    """Return two cards beside each other, as a preview shows them."""
    columns = [Column(starts_at, None, Decimal(1), "")] * 2
    return _rows(columns, [_prices(before), _prices(after)])


def versions_of(model: AIModel, *, now: datetime) -> list[tuple[Column, int]]:
    """Return the cards of a model as they are written, newest first, each with how many prices it has."""
    written = rates.listed([model.slug])[model.slug]
    starts = [starts_at for starts_at, _ in written][::-1]
    return [(_column(starts_at, starts, (), now), len(card.prices)) for starts_at, card in written]


def main_prices(model: AIModel, cards: Cards, now: datetime) -> dict[str, Decimal | None]:
    """Return what the units of a model cost now, markups included, those of the shortest prompts: by their names."""
    card = next((card for starts_at, card in cards[model.slug] if starts_at <= now), None)
    found: dict[str, Decimal | None] = {}
    for price in sorted(card.prices if card else (), key=lambda each: each.prompt_from):
        if not price.variant and not price.hours:
            found.setdefault(price.unit, price.amount)
    return found


def order_of(unit: str) -> tuple[int, str, int, str]:
    """Return where a unit stands: what goes in, what comes out, the rest; wholes before their parts."""
    of = UNITS[unit]
    return (
        _DIRECTIONS.get(of.direction, 2),
        (of.family != "tokens" and unit) or "",
        len(of.dimensions),
        unit,
    )


def smaller(unit: str, amount: Decimal | None) -> Decimal | None:
    """Return what fewer of a unit cost: a thousand tokens, a minute, one search."""
    if amount is None:
        return None
    return EXACT.divide(amount, Decimal(SMALLER[UNITS[unit].per][0]))


def _column(
    starts_at: datetime, starts: Sequence[datetime], rules: Iterable[Rule], now: datetime
) -> Column:
    later = [each for each in starts if each > starts_at]
    ends_at = min(later) if later else None
    state = "now"
    if starts_at > now:
        state = "to come"
    elif ends_at is not None and ends_at <= now:
        state = "past"
    return Column(starts_at, ends_at, markups.factor_at(rules, starts_at), state)


def _written_at(written: Sequence[Dated], moment: datetime) -> RateCard | None:
    return next((card for starts_at, card in written if starts_at <= moment), None)


def _prices(card: RateCard | None) -> dict[Step, Price]:
    prices = card.prices if card else ()
    return {(each.unit, each.variant, each.hours, each.prompt_from): each for each in prices}


def _rows(columns: Sequence[Column], cards: Sequence[dict[Step, Price]]) -> list[Row]:
    steps = {step for card in cards for step in card}
    units = {unit for unit, *_ in steps}
    ordered = sorted(steps, key=lambda step: (order_of(step[0]), step[3], step[1], step[2]))
    rows = []
    for step in ordered:
        unit, variant, hours, start = step
        found = [card.get(step) for card in cards]
        first = next(price for price in found if price is not None)
        per = UNITS[unit].per
        is_part = any(UNITS[whole].contains(UNITS[unit]) for whole in units)
        rows.append(
            Row(
                unit.replace("_", " "),
                PER[per],
                SMALLER[per][1],
                start,
                variant,
                hours,
                first.at_least,
                _cells(unit, columns, found),
                is_part,
            )
        )
    return rows


def _cells(unit: str, columns: Sequence[Column], found: Sequence[Price | None]) -> list[Cell]:
    cells: list[Cell] = []
    for number, (column, price) in enumerate(zip(columns, found, strict=True)):
        before = cells[number - 1] if number else None
        amount = None
        if price is not None and price.amount is not None:
            amount = EXACT.multiply(price.amount, column.factor)
        cells.append(
            Cell(
                price is not None,
                amount,
                price.amount if price else None,
                smaller(unit, amount),
                _change(before, price is not None, amount),
            )
        )
    return cells


def _change(before: Cell | None, is_there: bool, amount: Decimal | None) -> str:
    if before is None or (before.is_there, before.amount) == (is_there, amount):
        return ""
    if before.is_there != is_there:
        return "new" if is_there else "gone"
    return "dearer" if (amount or ZERO) > (before.amount or ZERO) else "cheaper"
