"""The rate card: what the bundled file says, and what loading one changes."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import factories as f
from usage.models import AIModel, Rate
from usage.pricing import RateCard, Tokens, price
from usage.services import price_list, rate_file, rates

pytestmark = pytest.mark.django_db(transaction=True)

D = Decimal
BUNDLED = str(rate_file.BUNDLED)
LATER = f.at("2026-11-01")

# US dollars per million tokens, as the providers published them; a credit is a cent.
PUBLISHED: list[tuple[str, str, tuple[str | None, ...]]] = [
    ("claude-fable-5-1", "2026-11-01", ("10", "0.25", "12.50", "50")),
    ("claude-opus-5-5", "2026-11-01", ("4", "0.20", "5", "20")),
    ("claude-sonnet-5-5", "2026-10-06", ("2", "0.20", "2.50", "10")),
    ("claude-sonnet-5-5", "2026-10-07", ("2", "0.10", "2.50", "10")),
    ("claude-haiku-5-5", "2026-11-01", ("0.10", "0.01", "0.125", "0.50")),
    ("claude-haiku-4-5", "2026-05-01", ("1", "0.10", "1.25", "5")),
    ("gpt-6.1-sol", "2026-11-01", ("2", "0.10", "2.50", "10")),
    ("gpt-6.1-terra", "2026-11-01", ("1", "0.05", "1.25", "5")),
    ("gpt-6-luna", "2026-11-01", ("0.10", "0.01", "0.125", "0.50")),
    ("gpt-4o-mini", "2026-05-01", ("0.15", "0.075", None, "0.60")),
    ("gemini-3.6-flash", "2026-11-01", ("0.75", "0.075", None, "3.75")),
    ("gemini-3.6-flash", "2026-12-31", ("0.75", "0.075", None, "3.75")),
    ("gemini-3.6-flash", "2027-01-01", ("1.50", "0.15", None, "7.50")),
    ("gemini-3.1-flash-lite", "2026-11-01", ("0.25", "0.025", None, "1.50")),
    ("gemini-2.0-flash", "2026-05-01", ("0.10", "0.025", None, "0.40")),
]
# Of prompts above 272,000 tokens.
LONG = [
    ("gpt-6.1-sol", ("4", "0.20", "5", "15")),
    ("gpt-6.1-terra", ("2", "0.10", "2.50", "7.50")),
    ("gpt-6-luna", ("0.20", "0.02", "0.25", "0.75")),
]


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_rate_card", *arguments, stdout=out)
    return out.getvalue()


CLASSES = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")


def prices_of(card: RateCard, start: int = 0) -> list[Decimal | None]:
    standard = (each for each in card.prices if not each.variant)
    found = {each.unit: each.amount for each in standard if each.prompt_from == start}
    return [found.get(unit) for unit in CLASSES]


def in_force(rates: list[Rate], moment: datetime) -> dict[Any, Decimal | None]:
    """Return what each step of the newest card of each model costs at a moment."""
    begun: dict[str, datetime] = {}
    for rate in rates:
        if rate.starts_at <= moment:
            begun[rate.model_id] = max(rate.starts_at, begun.get(rate.model_id, rate.starts_at))
    current = (rate for rate in rates if rate.starts_at == begun.get(rate.model_id))
    return {(rate.model_id, *rate.step): rate.amount for rate in current}


def cents(dollars: tuple[str | None, ...]) -> list[Decimal | None]:
    return [None if dollar is None else D(dollar) * 100 for dollar in dollars]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "card.toml"


CARD = """
[[models]]
id = "small"
name = "Small"
provider = "acme"
tier = "everyday"

[[models.rates]]
starts_on = 2026-01-01
input_tokens = 1.5
output_tokens = 3
"""


LONG_BAND = """
[[models.rates]]
starts_on = 2026-01-01
prompt_tokens_from = 1000
input_tokens = 3
output_tokens = 6
"""


class TestBundled:
    @pytest.mark.parametrize(("slug", "day", "dollars"), PUBLISHED)
    def test_has_the_published_prices(
        self, slug: str, day: str, dollars: tuple[str | None, ...]
    ) -> None:
        load(BUNDLED, "--yes")
        model = AIModel.objects.get(slug=slug)

        moment = f.at(day)
        card = rates.in_force(rates.cards_of([model], until=moment), model, moment)

        assert prices_of(card) == cents(dollars)

    @pytest.mark.parametrize(("slug", "dollars"), LONG)
    def test_prices_what_is_longer_than_272_000_tokens(
        self, slug: str, dollars: tuple[str, ...]
    ) -> None:
        load(BUNDLED, "--yes")
        model = AIModel.objects.get(slug=slug)

        card = rates.in_force(rates.cards_of([model], until=LATER), model, LATER)

        assert card.sheet().starts == [0, 272_001]
        assert prices_of(card, 272_001) == cents(dollars)
        short, long = (
            price(card, Tokens(input=count, cached_input=count)) for count in (272_000, 272_001)
        )
        assert long > short * D("1.9")

    def test_leaves_no_band_without_prices(self) -> None:
        load(BUNDLED, "--yes")

        assert not Rate.objects.filter(amount=None).exists()

    def test_charges_what_a_cache_of_google_answers_at_its_own_price(self) -> None:
        load(BUNDLED, "--yes")
        model = AIModel.objects.get(slug="gemini-3.6-flash")
        card = rates.in_force(rates.cards_of([model], until=LATER), model, LATER)

        # 20,000 × 75 + 80,000 × 7.5 + (500 + 100) × 375, per million
        tokens = Tokens(input=100_000, cached_input=80_000, output=500, reasoning=100)
        assert price(card, tokens) == D("2.325")

    @pytest.mark.parametrize("day", [date(2026, 11, 27), date(2027, 1, 2)])
    def test_has_every_standard_price_of_its_models_as_the_public_list_has_it(
        self, day: date
    ) -> None:
        moment = datetime.combine(day, time(), UTC)
        ours, listed = (
            in_force(found.rates, moment)
            for found in (
                rate_file.read(rate_file.BUNDLED),
                price_list.read(since=day, credit_usd=D("0.01")),
            )
        )

        slugs = {slug for slug, *_ in ours}
        standard = {
            (slug, unit, variant, *rest): amount
            for (slug, unit, variant, *rest), amount in listed.items()
            if slug in slugs and not variant
        }
        assert ours == standard
        assert len(slugs) > 10

    def test_prices_a_long_prompt_of_haiku_by_its_second_band(self) -> None:
        load(BUNDLED, "--yes")
        model = AIModel.objects.get(slug="claude-haiku-5-5")
        card = rates.in_force(rates.cards_of([model], until=LATER), model, LATER)

        short = price(card, Tokens(input=60_000, cached_input=40_000, output=1_000))
        long = price(card, Tokens(input=60_000, cached_input=40_001, output=1_000))

        assert [short, long] == [D("0.69"), D("3.450005")]

    def test_has_one_fallback_per_provider_and_all_three_tiers(self) -> None:
        load(BUNDLED, "--yes")

        fallbacks = AIModel.objects.filter(is_fallback=True).order_by("provider")
        tiers = dict(AIModel.objects.values_list("slug", "tier"))
        assert [model.slug for model in fallbacks] == [
            "claude-haiku-4-5",
            "gemini-2.0-flash",
            "gpt-4o-mini",
        ]
        assert [tiers[s] for s in ("gpt-4o-mini", "claude-sonnet-5-5", "claude-fable-5-1")] == [
            "everyday",
            "advanced",
            "strategic",
        ]


class TestLoad:
    def test_shows_what_would_change_and_changes_nothing(self, file: Path) -> None:
        file.write_text(CARD)

        shown = load(str(file), "--dry-run")

        assert "small" in shown
        assert "amount 1.5" in shown
        assert not AIModel.objects.exists()

    def test_changes_only_what_differs_and_keeps_the_history(self, file: Path) -> None:
        file.write_text(CARD)
        load(str(file), "--yes")
        file.write_text(CARD.replace("1.5", "2.5").replace('"Small"', '"Smaller"'))

        shown = load(str(file), "--yes")

        rate = Rate.objects.get(unit="input_tokens")
        assert rate.amount == D("2.5")
        assert "1.5" in shown
        assert "Smaller" in shown
        assert [row.amount for row in rate.history.order_by("history_id")] == [D("1.5"), D("2.5")]
        assert "nothing to change" in load(str(file), "--yes")

    def test_keeps_what_the_file_does_not_name(self, file: Path) -> None:
        load(BUNDLED, "--yes")
        before = (AIModel.objects.count(), Rate.objects.count())
        file.write_text(CARD)

        load(str(file), "--yes")

        assert (AIModel.objects.count(), Rate.objects.count()) == (before[0] + 1, before[1] + 2)

    def test_moves_the_fallback_of_a_provider(self, file: Path) -> None:
        file.write_text(CARD + CARD.replace("small", "tiny"))
        load(str(file), "--yes")
        for slug in ("small", "tiny"):
            marked = CARD.replace("small", slug).replace("tier =", "is_fallback = true\ntier =")
            file.write_text(marked)
            load(str(file), "--yes")

        assert [model.slug for model in AIModel.objects.filter(is_fallback=True)] == ["tiny"]

    def test_asks_before_it_changes(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text(CARD)
        monkeypatch.setattr("builtins.input", lambda question: "n")

        with pytest.raises(CommandError, match="nothing was changed"):
            load(str(file))
        assert not AIModel.objects.exists()

    def test_takes_a_model_with_an_input_price_only(self, file: Path) -> None:
        file.write_text(CARD.replace("output_tokens = 3\n", ""))

        load(str(file), "--yes")

        assert Rate.objects.get().unit == "input_tokens"

    def test_says_of_a_band_without_prices_that_it_has_none(self, file: Path) -> None:
        empty = "\n[[models.rates]]\nstarts_on = 2026-01-01\nprompt_tokens_from = 1000\n"
        file.write_text(CARD + "requests = 5\n" + empty)

        load(str(file), "--yes")

        unpriced = Rate.objects.filter(amount=None).order_by("unit")
        assert [(rate.unit, rate.prompt_tokens_from) for rate in unpriced] == [
            ("input_tokens", 1_000),
            ("output_tokens", 1_000),
        ]

    def test_takes_what_a_card_does_not_name_any_more_off_it(self, file: Path) -> None:
        file.write_text(CARD + LONG_BAND)
        load(str(file), "--yes")
        file.write_text(CARD)

        shown = load(str(file), "--yes")

        assert "gone" in shown
        assert set(Rate.objects.values_list("prompt_tokens_from", flat=True)) == {0}
        gone = Rate.history.filter(history_type="-")
        assert {row.amount for row in gone} == {3, 6}
        assert all(row.history_change_reason.startswith("shell:") for row in gone)

    def test_retires_on_the_day_that_it_says_and_keeps_it(self, file: Path) -> None:
        file.write_text(CARD.replace("tier =", "retired_on = 2026-12-01\ntier ="))
        load(str(file), "--yes")
        file.write_text(CARD)

        shown = load(str(file), "--yes")

        assert "nothing to change" in shown
        assert AIModel.objects.get().retired_at == f.at("2026-12-01")

    def test_names_who_loaded_it(self, file: Path) -> None:
        file.write_text(CARD)

        load(str(file), "--yes")

        reasons = Rate.history.values_list("history_change_reason", flat=True)
        assert all(reason.startswith("shell:") for reason in reasons)
        assert AIModel.history.get().history_change_reason.startswith("shell:")
