"""The public price list: our charge is its own arithmetic, and what is held covers it."""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_UP, Decimal, localcontext
from io import StringIO
from itertools import groupby
from math import ceil
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from genai_prices.data import providers
from genai_prices.data_units import unit_data
from genai_prices.types import ModelInfo, Provider, Usage

from tests import factories as f
from tests.callers import clock as clock
from usage.counts import completed
from usage.models import AIModel, Rate
from usage.pricing import RateCard, Tokens, Unpriced, dearest, price, price_of, thaw
from usage.services import price_list, rate_card, rates
from usage.services.rate_card import PriceList
from usage.units import DIRECTIONS, FRACTIONAL, PARTS, TEXT, TOKENS, UNITS, WHOLES

D = Decimal
DEPRECATED = "cerebras/llama3.1-8b"
DAY = date(2026, 5, 10)
CENT = Decimal("0.01")
USAGES = 20


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_rate_card", *arguments, stdout=out)
    return out.getvalue()


def writing(captured: CaptureQueriesContext) -> list[str]:
    """Return the statements that write rows of models, prices and their history."""
    tables = ("usage_aimodel", "usage_rate", "usage_historicalaimodel", "usage_historicalrate")
    sql = (" ".join(each["sql"].replace('"', "").split()) for each in captured.captured_queries)
    return [each for each in sql if each.startswith(tuple(f"INSERT INTO {t}" for t in tables))]


def cards_of(listed: PriceList) -> dict[str, list[RateCard]]:
    grouped = groupby(listed.rates, key=lambda rate: (rate.model_id, rate.starts_at))
    cards: dict[str, list[RateCard]] = {}
    for (slug, _), of_card in grouped:
        cards.setdefault(slug, []).append(rates.card_of(list(of_card)))
    return cards


def random_counts(random: Random, card: RateCard, variant: str, prompt: int) -> dict[str, Any]:
    """Return counts of everything that a card prices, parts within their wholes and beside each other. Seconds have parts."""
    counts: dict[str, Any] = {}
    units = [unit for unit in reversed(list(card.sheet(variant).steps)) if unit != "requests"]
    if "input_tokens" in units:
        counts["input_tokens"] = prompt
    shares: dict[str, Any] = {}
    for unit in units:
        shares[unit] = random.choice([0, random.randrange(10), random.randrange(50_000)])
        if unit in FRACTIONAL:
            shares[unit] += D(random.randrange(10**6)) / 10**6
    for unit in units:
        own = shares[unit] + sum(shares[part] for part in units if part in PARTS[unit])
        counts[unit] = max(own, prompt) if unit == "input_tokens" else own
    return counts


def with_a_part(random: Random, counts: dict[str, Any]) -> dict[str, Any]:
    """Return counts, every second time with tokens more of a part that has no price of its own: thinking, text, what a tool reads."""
    unpriced = sorted(
        {part for whole in counts for part in PARTS[whole] & TOKENS if part not in counts}
    )
    if not unpriced or random.random() < 0.5:
        return counts
    part, count = random.choice(unpriced), random.randrange(5_000)
    return {
        **counts,
        part: count,
        **{whole: counts.get(whole, 0) + count for whole in WHOLES[part]},
    }


def listed_price(
    provider: Provider, info: ModelInfo, variant: str, moment: datetime, counts: dict[str, Any]
) -> Decimal:
    """Return what the list itself says, in credits, rounded as ours."""
    context = dict([variant.split("=", 1)]) if variant else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calculated = info.calc_price(
            Usage(**counts), provider, genai_request_timestamp=moment, price_context=context
        )
    credits = calculated.total_price / CENT
    # The list divides to 28 digits, and we exactly: what differs beyond is no difference.
    with localcontext(prec=60):
        return credits.quantize(D("1e-22")).quantize(D("0.000001"), rounding=ROUND_UP)


def held_for(random: Random, card: RateCard, variant: str, counts: dict[str, Any]) -> Decimal:
    """Return what is held for work that turns out to be this, or less than was asked: as a reserve asks, in tokens and other units."""

    def asked(unit: str) -> Any:
        return counts[unit] + random.choice([0, 0, 7, 300_000]) if unit in counts else 0

    tokens = Tokens(input=asked("input_tokens"), output=asked("output_tokens"))
    units = {unit: asked(unit) for unit in counts if unit not in TOKENS}
    return price(dearest(card, variant), tokens, units=completed(units))


def everything() -> Iterator[tuple[str, Provider, ModelInfo]]:
    for provider in providers:
        for info in provider.models:
            yield price_list.slug_of(provider, info), provider, info


def compare_with_the_list(every: int) -> int:
    """Compare our charges with the list's for each model of so many; return how many were compared."""
    listed, random, compared = price_list.read(since=DAY, credit_usd=CENT), Random(11), 0
    cards = cards_of(listed)
    for number, (slug, provider, info) in enumerate(everything()):
        if slug not in cards or number % every:
            continue
        for card in cards[slug]:
            begins = datetime.fromisoformat(card.starts_at)
            variants = ["", *sorted({each.variant for each in card.prices if each.variant})]
            for turn in range(USAGES):
                variant = variants[turn % len(variants)]
                edges = [each.prompt_from for each in card.prices if each.prompt_from]
                prompt = random.choice([0, *edges, *(edge - 1 for edge in edges), 150_000])
                counts = with_a_part(random, random_counts(random, card, variant, prompt))
                moment = datetime.combine(begins, time(random.randrange(24), 30), UTC)
                frozen = thaw(card.at(moment).frozen)

                charged = price_of(frozen, counts, variant=variant, work_is_done=True)
                held = held_for(random, frozen, variant, counts)

                expected = listed_price(provider, info, variant, moment, counts)
                assert charged == expected, (slug, variant, moment, counts)
                assert charged <= held, (slug, variant, moment, counts, held)
                compared += 1
    return compared


class TestArithmetic:
    def test_is_the_lists_own_for_one_model_of_ten(self) -> None:
        assert compare_with_the_list(every=10) > 200 * USAGES

    @pytest.mark.slow
    def test_is_the_lists_own_for_every_model(self) -> None:
        assert compare_with_the_list(every=1) > 2_100 * USAGES


def without(card: RateCard, unit: str) -> RateCard:
    """Return a card of which one unit is known to cost something, and not how much."""
    prices = (each._replace(amount=None) if each.unit == unit else each for each in card.prices)
    return replace(card, prices=tuple(prices))


def try_without_prices(every: int) -> Counter[str]:
    """Ask for work of each model of so many, of which each time the price of another unit is not known: what cannot need it is held, and
    enough; what may need it is refused; and what did need it costs nothing only if the card says so."""
    listed, random, seen = price_list.read(since=DAY, credit_usd=CENT), Random(7), Counter[str]()
    for cards in list(cards_of(listed).values())[::every]:
        whole = cards[-1]
        variants = ["", *sorted({each.variant for each in whole.prices if each.variant})]
        for unit in sorted({each.unit for each in whole.prices}):
            card, variant = without(whole, unit), random.choice(variants)
            counts = random_counts(random, whole, variant, random.choice([0, 10, 150_000]))
            left_out = random.choice(["input_tokens", "output_tokens", *counts])
            of_it = {left_out} | PARTS[left_out]
            asked = {each: count for each, count in counts.items() if each not in of_it}
            seen[try_without(card, unit, variant, asked)] += 1
            seen[try_alone(card, unit)] += 1
    return seen


def try_without(card: RateCard, unit: str, variant: str, asked: dict[str, Any]) -> str:
    tokens = Tokens(input=asked.get("input_tokens", 0), output=asked.get("output_tokens", 0))
    units = completed({each: count for each, count in asked.items() if each not in TOKENS})
    whole_asked = {"input_tokens": tokens.input, "output_tokens": tokens.output, **units}
    needed = unit == "requests" or any(whole_asked.get(each) for each in (unit, *WHOLES[unit]))
    try:
        held = price(dearest(card, variant), tokens, units=units)
    except Unpriced:
        assert needed or not card.sheet(variant).known or card.sheet(variant).unpriced(whole_asked)
        return "refused"
    assert not needed, (card, unit, asked)
    assert price_of(card, asked, variant=variant, work_is_done=True) <= held, (card, unit, asked)
    return "held"


def try_alone(card: RateCard, unit: str) -> str:
    try:
        cost = price_of(card, dict.fromkeys({unit} | WHOLES[unit], 1_000), work_is_done=True)
    except Unpriced:
        return "no price"
    assert cost or is_included(card, unit), (card, unit)
    return "charged"


class TestUnknownPrice:
    def test_stops_what_may_need_it_and_nothing_else(self) -> None:
        seen = try_without_prices(every=7)

        assert min(seen["held"], seen["refused"], seen["no price"], seen["charged"]) > 50, seen

    @pytest.mark.slow
    def test_of_any_unit_of_any_model(self) -> None:
        assert try_without_prices(every=1)["held"] > 500


def is_included(card: RateCard, unit: str) -> bool:
    """Whether a card itself says that a unit costs nothing: a price of 0 of it, of its whole or of a part; or one of what goes in only."""
    related = {unit} | WHOLES[unit] | PARTS[unit]
    if any(each.unit in related and each.amount == 0 for each in card.prices):
        return True
    directions = {DIRECTIONS[each.unit] for each in card.prices}
    return unit in TEXT and not directions & {"", DIRECTIONS[unit]}


class TestNothingIsFree:
    def test_whatever_is_told_of_whatever_model(self) -> None:
        charged = refused = 0
        for cards in list(cards_of(price_list.read(since=DAY, credit_usd=CENT)).values())[::7]:
            for unit in UNITS.keys() - {"requests"}:
                counts = completed(dict.fromkeys({unit} | WHOLES[unit], 1_000))
                try:
                    cost = price_of(cards[-1], counts, work_is_done=True)
                except Unpriced:
                    refused += 1
                    continue
                assert cost or is_included(cards[-1], unit), (cards[-1], unit)
                charged += bool(cost)

        assert charged > 5_000
        assert refused > 5_000


class TestUnits:
    def test_are_those_of_the_list(self) -> None:
        for name, said in unit_data.items():
            assert UNITS[name].per == said["per"]
            assert UNITS[name].dimensions == frozenset(said["dimensions"].items())

    def test_are_called_otherwise_by_their_prices(self) -> None:
        assert {said["price_key"]: name for name, said in unit_data.items()} == {
            said["price_key"]: price_list.unit_of(said["price_key"]) for said in unit_data.values()
        }


class TestRead:
    def test_leaves_out_only_what_has_no_price(self) -> None:
        left_out = price_list.read(since=DAY, credit_usd=CENT).left_out

        assert len(left_out) < 200
        assert {said.split(": ", 1)[1] for said in left_out} == {"it has no price"}

    def test_calls_every_model_by_a_name_of_its_own(self) -> None:
        slugs = [model.slug for model in price_list.read(since=DAY, credit_usd=CENT).models]

        assert len(set(slugs)) == len(slugs)
        assert {"gpt-4o-mini", "claude-opus-5-5", "azure/o1"} <= set(slugs)

    @pytest.mark.parametrize(
        ("slug", "flags"),
        [
            ("claude-opus-5-5", (False, True)),
            ("gpt-4o-mini", (True, True)),
            ("gemini-3.6-flash", (True, False)),
        ],
    )
    def test_says_how_a_provider_counts(self, slug: str, flags: tuple[bool, bool]) -> None:
        (model,) = price_list.read(since=DAY, credit_usd=CENT, only=[slug]).models

        assert (model.input_includes_cached, model.output_includes_reasoning) == flags


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock")
class TestLoad:
    def test_takes_all_of_it_once_and_by_few_statements(self) -> None:
        with CaptureQueriesContext(connection) as loading:
            first = load("--yes", "--from", "2026-05-01")
        with CaptureQueriesContext(connection) as looking:
            again = load("--yes")

        models, prices = AIModel.objects.count(), Rate.objects.count()
        assert models > 2_100
        assert "prices written" in first
        assert f"{models} models, nothing to change" in again
        assert Rate.history.count() == prices
        assert AIModel.history.count() == models
        # Two for so many rows: the rows, and their history.
        batches = ceil(models / rate_card.AT_ONCE) + ceil(prices / rate_card.AT_ONCE)
        assert len(writing(loading)) == 2 * batches
        assert len(loading) <= 30 + 2 * batches
        assert len(looking) <= 10

    def test_changes_all_that_differ_by_one_statement_and_keeps_the_history(self) -> None:
        load("--yes", "--provider", "openai", "--from", "2026-05-10")
        listed = dict(Rate.objects.values_list("id", "amount"))
        Rate.objects.update(amount=F("amount") + 1)

        with CaptureQueriesContext(connection) as changing:
            shown = load("--yes", "--provider", "openai", "--from", "2026-05-10")

        assert len(listed) > 200
        assert f"{len(listed)} cheaper" in shown
        assert len(writing(changing)) == 2
        assert dict(Rate.objects.values_list("id", "amount")) == listed
        assert dict(Rate.history.filter(history_type="~").values_list("id", "amount")) == listed
        changed = Rate.history.filter(history_type="~").first()
        first = Rate.history.filter(history_type="+").first()
        assert changed.history_date == first.history_date == f.NOW
        assert changed.history_change_reason == first.history_change_reason
        assert changed.history_change_reason.startswith("shell:")

    def test_takes_one_model_of_it_and_what_is_dated_later(self) -> None:
        load("--yes", "--only", "gemini-3.6-flash", "--from", "2026-05-01")

        begins = set(Rate.objects.values_list("starts_at", flat=True))
        assert set(AIModel.objects.values_list("slug", flat=True)) == {"gemini-3.6-flash"}
        assert min(begins) == f.at("2026-05-01")

    def test_takes_one_provider_of_it(self) -> None:
        load("--yes", "--provider", "anthropic")

        assert set(AIModel.objects.values_list("provider", flat=True)) == {"anthropic"}

    def test_changes_nothing_in_a_dry_run(self) -> None:
        shown = load("--dry-run", "--only", "gpt-4o-mini")

        assert "input_tokens" in shown
        assert "new" in shown
        assert not AIModel.objects.exists()

    def test_begins_a_new_card_where_the_list_says_otherwise(self) -> None:
        load("--yes", "--only", "gpt-4o-mini", "--from", "2026-05-01")
        first = Rate.objects.filter(variant="", starts_at=f.at("2026-05-01"))
        first.filter(unit="output_tokens").update(amount=7)
        first.filter(unit="input_tokens").update(amount=70)
        AIModel.objects.update(tier="strategic", name="Ours")

        shown = load("--yes", "--only", "gpt-4o-mini", "--from", "2026-05-10")

        assert "1 cheaper, 1 dearer" in shown
        begun = Rate.objects.filter(unit="output_tokens", variant="", starts_at__lte=f.NOW)
        old, new = begun.order_by("starts_at")
        assert (old.starts_at, old.amount) == (f.at("2026-05-01"), D(7))
        assert (new.starts_at, new.amount) == (f.at("2026-05-10"), D(60))
        model = AIModel.objects.get()
        assert (model.tier, model.name) == ("strategic", "Ours")

    def test_says_what_the_list_does_not_have_any_more(self) -> None:
        AIModel.objects.create(slug="claude-0", name="x", provider="anthropic", tier="everyday")

        shown = load("--dry-run", "--provider", "anthropic")

        assert "not listed any more, and stays: claude-0" in shown

    def test_names_what_the_list_calls_deprecated_and_retires_nothing(self) -> None:
        shown = load("--yes", "--only", DEPRECATED)

        assert f"deprecated, and not retired: {DEPRECATED}" in shown
        assert AIModel.objects.get().retired_at is None

    def test_retires_what_it_is_told_to(self) -> None:
        """What the list calls deprecated, whether it was there or comes with it, and what it has not any more."""
        load("--yes", "--only", DEPRECATED)
        AIModel.objects.create(slug="cerebras/0", name="x", provider="cerebras", tier="everyday")

        shown = load("--yes", "--provider", "cerebras", "--retire")
        again = load("--yes", "--provider", "cerebras", "--retire")

        retired = dict(AIModel.objects.exclude(retired_at=None).values_list("slug", "retired_at"))
        assert {DEPRECATED, "cerebras/0", "cerebras/qwen-3-32b"} <= retired.keys()
        assert set(retired.values()) == {f.NOW}
        assert AIModel.objects.filter(retired_at=None).exists()
        assert "2 gone" in shown
        assert "nothing to change" in again
        history = AIModel.history.filter(slug=DEPRECATED).first()
        assert history.retired_at == f.NOW

    def test_retires_from_a_day_on_and_keeps_what_staff_say(self) -> None:
        load("--yes", "--provider", "cerebras")
        AIModel.objects.filter(slug=DEPRECATED).update(retired_at=f.at("2027-01-01"))

        load("--yes", "--provider", "cerebras", "--retire", "2026-06-01")

        retired = dict(AIModel.objects.exclude(retired_at=None).values_list("slug", "retired_at"))
        assert retired[DEPRECATED] == f.at("2027-01-01")
        assert retired["cerebras/qwen-3-32b"] == f.at("2026-06-01")

    def test_names_twenty_of_what_it_leaves_out_and_how_many_there_are(self) -> None:
        some, every = load("--dry-run"), load("--dry-run", "--all")

        for what in ("left out: ", "deprecated, and not retired: "):
            first, named = (
                [line for line in said.splitlines() if line.startswith(what)]
                for said in (some, every)
            )
            assert first == [*named[:20], f"{what}{len(named) - 20} more: --all names them"]
            assert len(named) > 60

    def test_says_why_a_model_is_not_there_that_the_list_has(self) -> None:
        out = StringIO()

        with pytest.raises(CommandError, match="not in the list: moderation"):
            call_command("load_rate_card", "--only", "moderation", stdout=out)

        assert "left out: moderation: it has no price" in out.getvalue()

    def test_refuses_a_model_that_is_not_there(self) -> None:
        with pytest.raises(CommandError, match="not in the list: gpt-0"):
            load("--only", "gpt-0", "gpt-4o-mini")
