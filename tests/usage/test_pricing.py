"""What usage costs: golden prices, computed by hand from the published rates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from usage.hours import InvalidHours, minutes_of
from usage.pricing import (
    ImpossibleTokens,
    Price,
    RateCard,
    Tokens,
    Unpriced,
    affordable_output,
    contradiction,
    dearest,
    freeze,
    price,
    price_of,
    thaw,
)

D = Decimal

SINCE = "2026-10-07T00:00:00+00:00"
UNITS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached_input": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "output_reasoning_tokens",
}


def band(start: int, **amounts: Any) -> list[Price]:
    """Return prices of tokens by their classes, for prompts from a length on."""
    return [
        Price(UNITS.get(name, name), None if amount is None else D(amount), start)
        for name, amount in amounts.items()
    ]


def card(*bands: list[Price], **flags: bool) -> RateCard:
    return RateCard(SINCE, tuple(price for each in bands for price in each), **flags)


# Credits per million tokens, at US$ 0.01 a credit.
SONNET = card(band(0, input=200, output=1000, cached_input=10, cache_write=250))
HAIKU = card(
    band(0, input=10, output=50, cached_input=1, cache_write="12.5"),
    band(100_001, input=50, output=250, cached_input=5, cache_write="62.5"),
)
SOL = card(
    band(0, input=200, output=1000, cached_input=10, cache_write=250),
    band(272_001, input=None, output=None, cached_input=None, cache_write=None),
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
        small = card(band(0, input=3, output=5))

        assert price(small, tokens) == D("0.000021")

    def test_of_reasoning_without_a_rate_is_that_of_output(self) -> None:
        small = card(band(0, input=3, output=5))

        assert price(small, Tokens(reasoning=7)) == D("0.000035")

    def test_is_rounded_once_and_up(self) -> None:
        small = card(band(0, input="0.4", output="0.4"))

        assert price(small, Tokens(input=1)) == D("0.000001")
        # Each part alone would round up to 0.000001; together they are 0.0000008.
        assert price(small, Tokens(input=1, output=1)) == D("0.000001")

    def test_adds_what_each_request_costs(self) -> None:
        with_fee = replace(SONNET, prices=(*SONNET.prices, Price("requests", D(500))))

        assert price(with_fee, Tokens(input=10_000)) == D("2.5")


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
        unpriced = card(band(0, input=None, output=None))

        with pytest.raises(Unpriced):
            price(unpriced, Tokens(input=1), work_is_done=True)


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

    own = [name for name in ("cached_input", "cache_write", "reasoning") if random.random() < 0.6]

    def prices(start: int) -> list[Price]:
        if start and random.random() < 0.2:
            return band(start, input=None, output=None)
        goes_on = [name for name in own if not start or random.random() < 0.7]
        return band(start, **{name: amount() for name in ("input", "output", *goes_on)})

    starts = [0, *sorted(random.sample(range(1, 4_000), random.randrange(3)))]
    return card(
        *map(prices, starts),
        [Price("requests", amount())],
        input_includes_cached=random.random() < 0.5,
        output_includes_reasoning=random.random() < 0.5,
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
        thinking = card([*SONNET.prices, *band(0, reasoning=3_000)])

        assert price(dearest(thinking), Tokens(output=1_000)) == D(3)

    def test_covers_a_shorter_prompt_that_costs_more(self) -> None:
        falling = card(band(0, input=500, output=900), band(1_000, input=100, output=100))
        held = price(dearest(falling), Tokens(input=1_000, output=1_000))

        assert held >= price(falling, Tokens(input=999, output=1_000)) == D("1.3995")

    def test_refuses_the_band_without_prices_as_before(self) -> None:
        with pytest.raises(Unpriced, match="272001"):
            price(dearest(SOL), Tokens(input=272_001))

    def test_is_never_exceeded_by_work_within_what_was_asked(self) -> None:
        random = Random(20_261_126)
        compared = 0
        for _ in range(3_000):
            of_chance = random_card(random)
            asked = Tokens(input=random.randrange(6_000), output=random.randrange(1, 3_000))
            try:
                held = price(dearest(of_chance), asked)
            except Unpriced:
                continue
            for _ in range(3):
                took = random_part(random, asked, of_chance)
                compared += 1

                assert price(of_chance, took, work_is_done=True) <= held, (of_chance, asked, took)
        assert compared > 5_000

    def test_buys_no_more_output_than_can_be_held(self) -> None:
        random = Random(4)
        for _ in range(500):
            of_chance, asked = random_card(random), Tokens(random.randrange(5_000), output=3_000)
            budget = D(random.randrange(3_000_000)) / 10**6
            try:
                output = affordable_output(dearest(of_chance), asked, budget)
            except Unpriced:
                continue
            fitting = replace(asked, output=output)

            assert not output or price(dearest(of_chance), fitting) <= budget


class TestUnknownPrice:
    """A unit that is known to cost something, and priced nowhere."""

    LARGE = card(
        band(0, input=200, output=1_000, input_audio_tokens=None, web_searches=None),
        band(0, input_audio_seconds=None, audio_seconds=36),
    )

    @pytest.mark.parametrize(
        ("asked", "units", "credits"),
        [
            # What comes out is neither heard nor looked for.
            (Tokens(output=1_000), {}, "1"),
            (Tokens(output=1_000), {"output_audio_seconds": 0}, "1"),
            (Tokens(), {}, "0"),
        ],
    )
    def test_stops_no_work_that_cannot_need_it(
        self, asked: Tokens, units: dict[str, int], credits: str
    ) -> None:
        assert price(dearest(self.LARGE), asked, units=units) == D(credits)

    @pytest.mark.parametrize(
        ("asked", "units", "unit"),
        [
            # What goes in may be heard, and what is heard may go in.
            (Tokens(input=1), {}, "input_audio_tokens"),
            (Tokens(), {"web_searches": 1}, "web_searches"),
            (Tokens(), {"audio_seconds": 1}, "input_audio_seconds"),
            (Tokens(), {"audio_seconds": 1, "input_audio_seconds": 1}, "input_audio_seconds"),
        ],
    )
    def test_stops_work_that_may_come_to_it(
        self, asked: Tokens, units: dict[str, int], unit: str
    ) -> None:
        with pytest.raises(Unpriced, match=f"no price for {unit}"):
            price(dearest(self.LARGE), asked, units=units)

    @pytest.mark.parametrize(
        "units", [{"web_searches": 1}, {"web_searches": 1, "input_tokens": 5, "output_tokens": 5}]
    )
    def test_is_never_nothing_when_the_work_is_done(self, units: dict[str, int]) -> None:
        a_request = replace(self.LARGE, prices=(*self.LARGE.prices, Price("requests", D(500))))

        for each in (self.LARGE, a_request):
            assert each.sheet().unpriced(units) == ["web_searches"]
            with pytest.raises(Unpriced, match="no price for web_searches"):
                price_of(each, units, work_is_done=True)

    def test_of_what_is_text_is_not_that_of_another_measure(self) -> None:
        by_the_second = card(band(0, audio_seconds=36, input=None))
        counts = {"audio_seconds": 100, "input_tokens": 5}

        with pytest.raises(Unpriced, match="no price for input_tokens"):
            price_of(by_the_second, counts, work_is_done=True)

    def test_of_what_comes_out_is_no_price_of_nothing(self) -> None:
        assert card(band(0, input=1, output=None)).prices_output
        assert not card(band(0, input=1, output=0)).prices_output


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
        [SONNET, HAIKU, SOL, card([Price("audio_seconds", D(5), 0, "processing=batch", "", 10)])],
    )
    def test_comes_back_as_it_was(self, card: RateCard) -> None:
        assert thaw(freeze(card)) == card


# What a dollar a million tokens (3,600 seconds, 1,000 searches) is, at a cent a credit.
MULTIMODAL = card(
    band(
        0,
        input=250,
        output=1000,
        cached_input=25,
        cache_audio_read_tokens=30,
        input_audio_tokens=4000,
        cache_write_tokens=300,
        cache_audio_write_tokens=400,
        cache_write_1h_tokens=500,
        cache_audio_write_1h_tokens=600,
        output_image_tokens=3000,
        web_searches=1000,
        audio_seconds=36,
    ),
)


class TestPriceOf:
    @pytest.mark.parametrize(
        ("counts", "credits"),
        [
            ({"input_tokens": 1_000_000}, "250"),
            # 600,000 × 250 + 400,000 × 4,000, per million
            ({"input_tokens": 1_000_000, "input_audio_tokens": 400_000}, "1750"),
            # 500,000 × 250 + 300,000 × 4,000 + 100,000 × 25 + 100,000 × 30
            (
                {
                    "input_tokens": 1_000_000,
                    "input_audio_tokens": 400_000,
                    "cache_read_tokens": 200_000,
                    "cache_audio_read_tokens": 100_000,
                },
                "1330.5",
            ),
            # 700,000 × 250 + 200,000 × 300 + 100,000 × 500
            (
                {
                    "input_tokens": 1_000_000,
                    "cache_write_tokens": 300_000,
                    "cache_write_5m_tokens": 200_000,
                    "cache_write_1h_tokens": 100_000,
                },
                "285",
            ),
            ({"input_tokens": 0, "output_tokens": 1_000, "output_image_tokens": 900}, "2.8"),
            ({"input_tokens": 0, "web_searches": 3}, "3"),
            ({"input_tokens": 0, "audio_seconds": 90}, "0.9"),
            ({"input_tokens": 4, "output_text_tokens": 0, "code_executions": 0}, "0.001"),
        ],
    )
    def test_adds_up_any_units(self, counts: dict[str, int], credits: str) -> None:
        assert price_of(MULTIMODAL, counts, work_is_done=True) == D(credits)

    def test_refuses_to_begin_what_has_no_price(self) -> None:
        with pytest.raises(Unpriced, match="code_executions"):
            price_of(MULTIMODAL, {"input_tokens": 1, "code_executions": 1})

    def test_of_what_goes_in_is_enough(self) -> None:
        embedding = card(band(0, input=2))

        assert price(embedding, Tokens(input=1_000_000, output=5)) == 2
        assert affordable_output(embedding, Tokens(input=1, output=5), D(1)) == 5

    def test_of_seconds_is_rounded_once_and_up(self) -> None:
        hourly = card(band(0, audio_seconds=1))

        assert price_of(hourly, {"audio_seconds": 1}) == D("0.000278")
        assert price_of(hourly, {"audio_seconds": 3_600}) == 1

    def test_bills_the_least_that_is_sold(self) -> None:
        least = card([Price("audio_seconds", D(3_600), at_least=10)])

        assert [price_of(least, {"audio_seconds": n}) for n in (0, 1, 10, 11)] == [0, 10, 10, 11]

    def test_is_exact_for_prices_and_counts_of_any_length(self) -> None:
        long = card(band(0, input="33.33333333333333333333", output=0))

        assert price_of(long, {"input_tokens": 10**12}) == D("33333333.333334")


class TestVariants:
    CARD = card(
        band(0, input=200, output=1000, cached_input=20),
        [Price("input_tokens", D(100), variant="processing=batch")],
        [Price("output_tokens", D(500), variant="processing=batch")],
        [Price("output_tokens", D(900), 1_000, variant="processing=batch")],
    )

    @pytest.mark.parametrize(
        ("variant", "counts", "credits"),
        [
            ("", Tokens(1_000, 0, 0, 1_000), "1.2"),
            ("processing=batch", Tokens(999, 0, 0, 1_000), "0.5999"),
            ("processing=batch", Tokens(1_000, 0, 0, 1_000), "1"),
            # What has no price of the variant costs what it does otherwise.
            ("processing=batch", Tokens(0, 500, 0, 0), "0.01"),
            ("service_tier=flex", Tokens(1_000, 0, 0, 1_000), "1.2"),
        ],
    )
    def test_cost_what_they_say(self, variant: str, counts: Tokens, credits: str) -> None:
        assert price(self.CARD, counts, variant=variant) == D(credits)

    def test_are_held_by_their_own_prices(self) -> None:
        asked = Tokens(input=1_000, output=1_000)

        assert price(dearest(self.CARD, "processing=batch"), asked) == 1
        assert price(dearest(self.CARD), asked) == D("1.2")


class TestHours:
    CARD = card(
        band(0, input=100, output=200),
        [Price("output_tokens", D(50), hours="16:30-00:30")],
    )

    @pytest.mark.parametrize(
        ("time", "credits"),
        [("16:29", 200), ("16:30", 50), ("23:59", 50), ("00:29", 50), ("00:30", 200)],
    )
    def test_cost_what_they_say(self, time: str, credits: int) -> None:
        moment = datetime.fromisoformat(f"2026-05-01T{time}:59+00:00")

        assert price(self.CARD.at(moment), Tokens(output=1_000_000)) == credits

    def test_say_when_they_change(self) -> None:
        moment = datetime(2026, 5, 1, 16, 30, tzinfo=UTC)

        (edge,) = self.CARD.changes_after(moment)

        assert edge == datetime(2026, 5, 2, 0, 30, tzinfo=UTC)
        assert self.CARD.at(edge) != self.CARD.at(moment)
        assert self.CARD.changes_after(edge) == [moment + timedelta(days=1)]

    def test_are_settled_when_a_card_is_frozen(self) -> None:
        night = self.CARD.at(datetime(2026, 5, 1, 20, tzinfo=UTC))

        assert price(thaw(freeze(night)), Tokens(output=1_000_000)) == 50

    @pytest.mark.parametrize("text", ["", "noon", "24:00-01:00", "1:00-2:00", "03:00-03:00"])
    def test_are_hours(self, text: str) -> None:
        with pytest.raises(InvalidHours):
            minutes_of(text)
