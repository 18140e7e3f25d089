"""A request's path has no time for arithmetic: a tenth of a millisecond for the dearest kind of price, told by what is done and not by the clock.

No database is asked: these tests may not. Amounts are no texts any more: nothing makes a decimal of one. And what is called, and how long it takes, is
so and so many times what the plainest arithmetic of the same numbers needs.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import ROUND_UP, Decimal, localcontext
from itertools import groupby
from typing import Any, NoReturn

import pytest

from usage.pricing import (
    EXACT,
    Price,
    RateCard,
    Tokens,
    cards,
    charging,
    dearest,
    price,
    price_of,
    sheet,
    thaw,
)
from usage.services import price_list, rates
from usage.units import REQUESTS, TOKENS, UNITS, WHOLES

D = Decimal
BANDS = (0, 32_001, 128_001, 200_001, 272_001)
VARIANTS = ("", "processing=batch", "service_tier=flex", "service_tier=priority")
CALLS, CALLS_A_UNIT = 60, 20
"""How many functions a price calls at most: so many, and so many for each unit that has a price."""
TIMES = 25
"""How many times the plainest arithmetic it may take. It is some five; and a machine that is busy is so for both."""


def everything() -> RateCard:
    """Return a card that no provider has: a price of every unit, in five bands, for four variants."""
    prices = [
        Price(unit, D(100 + number) / 8, start, variant)
        for number, unit in enumerate(UNITS)
        for variant in VARIANTS
        for start in BANDS
    ]
    return RateCard("2026-01-01T00:00:00+00:00", tuple(prices))


def largest() -> list[RateCard]:
    """Return those cards of the public list that have most prices, and most units."""
    listed = price_list.read(since=date(2026, 5, 10), credit_usd=D("0.01")).rates
    found = [
        rates.card_of(list(card))
        for _, card in groupby(listed, key=lambda rate: (rate.model_id, rate.starts_at))
    ]
    by_prices = sorted(found, key=lambda card: -len(card.prices))[:5]
    return by_prices + sorted(found, key=lambda card: -len({p.unit for p in card.prices}))[:5]


CARDS = [everything(), *largest()]


def counts_of(card: RateCard) -> dict[str, Any]:
    """Return some of everything that a card prices, in its longest band."""
    counts: dict[str, Any] = {}
    units = {each.unit for each in card.prices}
    for unit in units:
        for whole in {unit} | (WHOLES[unit] & units):
            counts[whole] = counts.get(whole, 0) + (300_000 if whole in TOKENS else 7)
    return counts


def plainly(card: RateCard, counts: dict[str, Any]) -> Decimal:
    """Add up as many products, divide once, round once: what no arithmetic of these numbers does without."""
    amounts = {each.unit: each.amount or D(0) for each in card.prices}
    with localcontext(EXACT):
        total = sum((count * amounts[unit] for unit, count in counts.items()), D(0))
        return (total / 1_000_000).quantize(D("0.000001"), rounding=ROUND_UP)


def calls_of(call: Callable[[], object]) -> int:
    """Return how many functions are called."""
    seen = []
    sys.setprofile(lambda frame, event, told: seen.append(event) if "call" in event else None)
    try:
        call()
    finally:
        sys.setprofile(None)
    return len(seen)


def seconds(call: Callable[[], object], times: int = 100) -> float:
    """Return how much of a processor a call takes: the best of some rounds."""
    rounds = []
    for _ in range(7):
        begin = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - begin) / times)
    return min(rounds)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{len(card.prices)} prices")
class TestPrice:
    def ways(self, card: RateCard) -> list[Callable[[], object]]:
        """Work that is done, by a card that is known, in the standard way and in one with prices of its own, and by one that a hold keeps; and
        work that is asked for, of a card that is known and of one that a hold keeps."""
        kept, counts, held = card, counts_of(card), json.loads(card.frozen_text())
        variant = max(each.variant for each in card.prices)
        units = {unit: count for unit, count in counts.items() if unit not in {*TOKENS, REQUESTS}}
        asked = Tokens(300_000, 0, 0, 1_000)
        return [
            lambda: price_of(kept, counts, work_is_done=True),
            lambda: price_of(kept, counts, variant=variant, work_is_done=True),
            lambda: price_of(thaw(held), counts, variant=variant, work_is_done=True),
            lambda: price(dearest(kept, variant), asked, units=units),
            lambda: price(dearest(thaw(held), variant), asked, units=units),
        ]

    def test_calls_few_functions_for_each_unit(self, card: RateCard) -> None:
        units = len({each.unit for each in card.prices})
        for way in self.ways(card):
            way()
            assert calls_of(way) <= CALLS + CALLS_A_UNIT * units

    def test_reads_no_amount_once_it_was_read(
        self, card: RateCard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ways = self.ways(card)
        before = [way() for way in ways]

        def read(*arguments: object) -> NoReturn:
            raise AssertionError(f"a decimal is made of {arguments}")

        for module in (cards, charging, sheet):
            monkeypatch.setattr(module, "Decimal", read)
        assert [way() for way in ways] == before

    def test_takes_not_much_longer_than_the_plainest_arithmetic(self, card: RateCard) -> None:
        counts = counts_of(card)
        plain = seconds(lambda: plainly(card, counts))
        for way in self.ways(card):
            assert seconds(way) < plain * TIMES
