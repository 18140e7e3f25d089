"""What usage costs: golden prices, computed by hand from the published rates."""

from dataclasses import replace
from decimal import Decimal

import pytest

from usage.pricing import (
    Band,
    ImpossibleTokens,
    RateCard,
    Tokens,
    Unpriced,
    affordable_output,
    freeze,
    price,
    thaw,
)

D = Decimal

# Credits per million tokens, at US$ 0.01 a credit.
SONNET = RateCard(
    "2026-10-07T00:00:00+00:00",
    (Band(0, input=D(200), output=D(1000), cached_input=D(10), cache_write=D(250)),),
)
HAIKU = RateCard(
    "2026-10-07T00:00:00+00:00",
    (
        Band(0, input=D(10), output=D(50), cached_input=D(1), cache_write=D("12.5")),
        Band(100_001, input=D(50), output=D(250), cached_input=D(5), cache_write=D("62.5")),
    ),
)
SOL = RateCard(
    "2026-09-29T00:00:00+00:00",
    (
        Band(0, input=D(200), output=D(1000), cached_input=D(10), cache_write=D(250)),
        Band(272_001, input=None, output=None),
    ),
    input_includes_cached=True,
    output_includes_reasoning=True,
)


class TestPrice:
    @pytest.mark.parametrize(
        ("card", "tokens", "credits"),
        [
            (SONNET, Tokens(), "0"),
            (SONNET, Tokens(input=1_000_000), "200"),
            (SONNET, Tokens(output=1_000_000), "1000"),
            (SONNET, Tokens(input=10_000, output=2_000), "4"),
            (SONNET, Tokens(cached_input=1_000_000), "10"),
            (SONNET, Tokens(cache_write=1_000_000), "250"),
            # 9,000 × 200 + 1,000 × 10 + 500 × 250 + 100 × 1,000, per million
            (SONNET, Tokens(9_000, 1_000, 500, 100), "2.035"),
            (SOL, Tokens(input=1_000_000 // 4, output=0), "50"),
        ],
    )
    def test_is_that_of_the_published_rates(
        self, card: RateCard, tokens: Tokens, credits: str
    ) -> None:
        assert price(card, tokens) == D(credits)

    def test_counts_cached_tokens_once_where_input_contains_them(self) -> None:
        inclusive = price(SOL, Tokens(input=10_000, cached_input=8_000))
        exclusive = price(SONNET, Tokens(input=2_000, cached_input=8_000))

        assert inclusive == exclusive == D("0.48")

    def test_counts_reasoning_once_where_output_contains_it(self) -> None:
        inside = price(SOL, Tokens(output=1_000, reasoning=600))
        beside = price(replace(SOL, output_includes_reasoning=False), Tokens(0, 0, 0, 400, 600))

        assert inside == beside == D(1)

    @pytest.mark.parametrize("tokens", [Tokens(cached_input=7), Tokens(7), Tokens(cache_write=7)])
    def test_of_a_class_without_a_rate_is_that_of_input(self, tokens: Tokens) -> None:
        card = RateCard("2026-01-01T00:00:00+00:00", (Band(0, input=D(3), output=D(5)),))

        assert price(card, tokens) == D("0.000021")

    def test_of_reasoning_without_a_rate_is_that_of_output(self) -> None:
        card = RateCard("2026-01-01T00:00:00+00:00", (Band(0, input=D(3), output=D(5)),))

        assert price(card, Tokens(reasoning=7)) == D("0.000035")

    def test_is_rounded_once_and_up(self) -> None:
        card = RateCard("2026-01-01T00:00:00+00:00", (Band(0, input=D("0.4"), output=D("0.4")),))

        assert price(card, Tokens(input=1)) == D("0.000001")
        # Each part alone would round up to 0.000001; together they are 0.0000008.
        assert price(card, Tokens(input=1, output=1)) == D("0.000001")

    def test_adds_what_each_request_and_unit_costs(self) -> None:
        card = replace(SONNET, per_request=D("0.5"), per_unit=D(2))

        assert price(card, Tokens(input=10_000), units=3) == D("8.5")


class TestBands:
    @pytest.mark.parametrize(
        ("tokens", "credits"),
        [
            (Tokens(input=100_000, output=1_000), "1.05"),
            (Tokens(input=100_001, output=1_000), "5.25005"),
            # Cache reads and writes are prompt too, and the long band prices the output as well.
            (Tokens(input=60_000, cached_input=40_000, output=1_000), "0.69"),
            (Tokens(input=60_000, cached_input=40_001, output=1_000), "3.450005"),
            (Tokens(input=60_000, cache_write=40_001, output=1_000), "5.7500625"),
        ],
    )
    def test_are_chosen_by_the_whole_prompt(self, tokens: Tokens, credits: str) -> None:
        assert price(HAIKU, tokens) == D(credits).quantize(D("0.000001"), rounding="ROUND_UP")

    def test_are_chosen_by_the_prompt_where_input_contains_the_cached_tokens(self) -> None:
        within = Tokens(input=272_000, cached_input=272_000)

        assert price(SOL, within) == D("2.72")
        with pytest.raises(Unpriced, match="272001"):
            price(SOL, replace(within, input=272_001))

    def test_without_figures_are_charged_by_the_dearest_when_the_work_is_done(self) -> None:
        assert price(SOL, Tokens(input=300_000), work_is_done=True) == D(60)

    def test_of_a_card_without_any_price_refuse_even_done_work(self) -> None:
        card = RateCard("2026-01-01T00:00:00+00:00", (Band(0, input=None, output=None),))

        with pytest.raises(Unpriced):
            price(card, Tokens(input=1), work_is_done=True)


class TestImpossibleTokens:
    @pytest.mark.parametrize(
        "tokens",
        [
            Tokens(input=10, cached_input=11),
            Tokens(input=10, cached_input=6, cache_write=5),
            Tokens(output=10, reasoning=11),
        ],
    )
    def test_are_refused(self, tokens: Tokens) -> None:
        with pytest.raises(ImpossibleTokens):
            price(SOL, tokens)


class TestAffordableOutput:
    @pytest.mark.parametrize(
        ("budget", "output"),
        [("2", 0), ("1.999999", 0), ("2.000999", 0), ("2.001", 1), ("3", 1_000), ("9", 5_000)],
    )
    def test_is_what_remains_after_the_whole_input(self, budget: str, output: int) -> None:
        assert affordable_output(SONNET, Tokens(input=10_000, output=5_000), D(budget)) == output

    def test_never_costs_more_than_the_budget(self) -> None:
        asked = Tokens(input=333, output=10**6)
        for millionths in range(67_000, 80_000, 137):
            budget = D(millionths) / 10**6
            output = affordable_output(SONNET, asked, budget)

            assert price(SONNET, replace(asked, output=output)) <= budget
            assert price(SONNET, replace(asked, output=output + 1)) > budget


class TestFreeze:
    @pytest.mark.parametrize("card", [SONNET, HAIKU, SOL])
    def test_comes_back_as_it_was(self, card: RateCard) -> None:
        assert thaw(freeze(card)) == card
