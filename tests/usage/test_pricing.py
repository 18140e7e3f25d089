"""What usage costs: golden prices, computed by hand from the published rates."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from usage.pricing import (
    Band,
    ImpossibleTokens,
    RateCard,
    Tokens,
    Unpriced,
    affordable_output,
    contradiction,
    dearest,
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


class TestContradictingCounts:
    """Of work that is done: what is possible is charged, and nothing more."""

    @pytest.mark.parametrize(
        ("told", "charged"),
        [
            (Tokens(output=6_000, reasoning=6_001), Tokens(output=6_000, reasoning=6_000)),
            (Tokens(input=10, cached_input=11), Tokens(input=10, cached_input=10)),
            (Tokens(input=10, cached_input=6, cache_write=5), Tokens(10, 6, 4)),
            (Tokens(input=10, cache_write=99), Tokens(input=10, cache_write=10)),
        ],
    )
    def test_are_charged_as_far_as_they_can_be_true(self, told: Tokens, charged: Tokens) -> None:
        assert price(SOL, told, work_is_done=True) == price(SOL, charged)
        assert not contradiction(SOL, charged)

    def test_are_named(self) -> None:
        told = Tokens(input=1, cached_input=2, cache_write=3, output=6_000, reasoning=6_001)

        assert contradiction(SOL, told) == (
            "5 cached tokens of 1 input tokens, 6001 reasoning tokens of 6000 output tokens"
        )

    def test_are_none_where_the_parts_are_beside_the_whole(self) -> None:
        told = Tokens(input=1, cached_input=2, output=3, reasoning=4)
        beside = replace(SOL, input_includes_cached=False, output_includes_reasoning=False)

        assert not contradiction(beside, told)


def random_card(random: Random) -> RateCard:
    """Return a card of up to three bands, some without prices, with every class that has a price of its own sometimes."""

    def amount() -> Decimal:
        return D(random.randrange(2_000)) / 4

    def band(start: int) -> Band:
        if start and random.random() < 0.2:
            return Band(start, None, None)
        own = [amount() if random.random() < 0.6 else None for _ in range(4)]
        return Band(start, amount(), amount(), *own)

    starts = [0, *sorted(random.sample(range(1, 4_000), random.randrange(3)))]
    return RateCard(
        "2026-01-01T00:00:00+00:00",
        tuple(band(start) for start in starts),
        input_includes_cached=random.random() < 0.5,
        output_includes_reasoning=random.random() < 0.5,
        per_request=amount() / 1_000,
    )


def random_part(random: Random, asked: Tokens, card: RateCard) -> Tokens:
    """Return counts of work within what was asked, as the provider of the card counts them."""
    prompt, output = random.randint(0, asked.input), random.randint(0, asked.output)
    cached = random.randint(0, prompt)
    written = random.randint(0, prompt - cached)
    reasoning = random.randint(0, output)
    inside = 0 if card.input_includes_cached else cached + written
    beside = 0 if card.output_includes_reasoning else reasoning
    return Tokens(prompt - inside, cached, written, output - beside, reasoning)


class TestDearest:
    def test_holds_a_prompt_as_if_all_of_it_were_written_to_a_cache(self) -> None:
        held = price(dearest(SONNET), Tokens(input=10_000, output=1_000))

        assert held == D("3.5")  # 10,000 × 250 + 1,000 × 1,000, per million
        assert price(SONNET, Tokens(cache_write=10_000, output=1_000)) == held

    def test_holds_output_as_if_all_of_it_were_reasoning(self) -> None:
        (band,) = SONNET.bands
        card = replace(SONNET, bands=(replace(band, reasoning=D(3_000)),))

        assert price(dearest(card), Tokens(output=1_000)) == D(3)

    def test_covers_a_shorter_prompt_that_costs_more(self) -> None:
        card = RateCard(
            "2026-01-01T00:00:00+00:00",
            (Band(0, input=D(500), output=D(900)), Band(1_000, input=D(100), output=D(100))),
        )
        held = price(dearest(card), Tokens(input=1_000, output=1_000))

        assert held >= price(card, Tokens(input=999, output=1_000)) == D("1.3995")

    def test_refuses_the_band_without_prices_as_before(self) -> None:
        with pytest.raises(Unpriced, match="272001"):
            price(dearest(SOL), Tokens(input=272_001))

    def test_is_never_exceeded_by_work_within_what_was_asked(self) -> None:
        random = Random(20_261_126)
        compared = 0
        for _ in range(3_000):
            card = random_card(random)
            asked = Tokens(input=random.randrange(6_000), output=random.randrange(1, 3_000))
            try:
                held = price(dearest(card), asked)
            except Unpriced:
                continue
            for _ in range(3):
                took = random_part(random, asked, card)
                compared += 1

                assert price(card, took, work_is_done=True) <= held, (card, asked, took)
        assert compared > 5_000

    def test_buys_no_more_output_than_can_be_held(self) -> None:
        random = Random(4)
        for _ in range(500):
            card, asked = random_card(random), Tokens(random.randrange(5_000), output=3_000)
            budget = D(random.randrange(3_000_000)) / 10**6
            try:
                output = affordable_output(dearest(card), asked, budget)
            except Unpriced:
                continue
            fitting = replace(asked, output=output)

            assert not output or price(dearest(card), fitting) <= budget


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
    @pytest.mark.parametrize(
        "card",
        [SONNET, HAIKU, SOL, replace(SOL, bands=(replace(SOL.bands[0], per_request=D(5)),))],
    )
    def test_comes_back_as_it_was(self, card: RateCard) -> None:
        assert thaw(freeze(card)) == card
