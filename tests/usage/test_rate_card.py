"""The rate card: what the bundled file says, and what loading one changes."""

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import factories as f
from tests.usage import people as p
from usage.models import AIModel, Rate
from usage.pricing import Band, Tokens, price
from usage.services import rate_card, rates

pytestmark = pytest.mark.django_db(transaction=True)

D = Decimal
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


def prices_of(band: Band) -> list[Decimal | None]:
    return [band.input, band.cached_input, band.cache_write, band.output]


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
input = 1.5
output = 3
"""


LONG_BAND = """
[[models.rates]]
starts_on = 2026-01-01
prompt_tokens_from = 1000
input = 3
output = 6
"""


class TestBundled:
    @pytest.mark.parametrize(("slug", "day", "dollars"), PUBLISHED)
    def test_has_the_published_prices(
        self, slug: str, day: str, dollars: tuple[str | None, ...]
    ) -> None:
        load("--yes")
        model = AIModel.objects.get(slug=slug)

        moment = f.at(day)
        card = rates.in_force(rates.cards_of([model], until=moment), model, moment)

        assert prices_of(card.bands[0]) == cents(dollars)

    @pytest.mark.parametrize(("slug", "dollars"), LONG)
    def test_prices_what_is_longer_than_272_000_tokens(
        self, slug: str, dollars: tuple[str, ...]
    ) -> None:
        load("--yes")
        model = AIModel.objects.get(slug=slug)

        card = rates.in_force(rates.cards_of([model], until=LATER), model, LATER)

        assert [band.prompt_tokens_from for band in card.bands] == [0, 272_001]
        assert prices_of(card.bands[1]) == cents(dollars)
        short, long = (
            price(card, Tokens(input=count, cached_input=count)) for count in (272_000, 272_001)
        )
        assert long > short * D("1.9")

    def test_leaves_no_band_without_prices(self) -> None:
        load("--yes")

        assert not Rate.objects.filter(input=None).exists()

    def test_charges_what_a_cache_of_google_answers_at_its_own_price(self) -> None:
        load("--yes")
        model = AIModel.objects.get(slug="gemini-3.6-flash")
        card = rates.in_force(rates.cards_of([model], until=LATER), model, LATER)

        # 20,000 × 75 + 80,000 × 7.5 + (500 + 100) × 375, per million
        tokens = Tokens(input=100_000, cached_input=80_000, output=500, reasoning=100)
        assert price(card, tokens) == D("2.325")

    def test_prices_a_long_prompt_of_haiku_by_its_second_band(self) -> None:
        load("--yes")
        model = AIModel.objects.get(slug="claude-haiku-5-5")
        card = rates.in_force(rates.cards_of([model], until=LATER), model, LATER)

        short = price(card, Tokens(input=60_000, cached_input=40_000, output=1_000))
        long = price(card, Tokens(input=60_000, cached_input=40_001, output=1_000))

        assert [short, long] == [D("0.69"), D("3.450005")]

    def test_has_one_fallback_per_provider_and_all_three_tiers(self) -> None:
        load("--yes")

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


class TestCard:
    def test_charges_the_dearer_fee_where_its_bands_disagree(self) -> None:
        model = p.make_model("m")
        Rate.objects.create(
            model=model,
            starts_at=p.SINCE,
            prompt_tokens_from=1_000,
            input=10,
            output=10,
            per_request=5,
        )
        card = rates.in_force(rates.cards_of([model], until=f.NOW), model, f.NOW)

        assert price(card, Tokens(input=2_000)) == D("5.02")
        assert price(card, Tokens(input=500)) == D("0.005")


class TestLoad:
    def test_shows_what_would_change_and_changes_nothing(self, file: Path) -> None:
        file.write_text(CARD)

        shown = load(str(file), "--dry-run")

        assert "small" in shown
        assert "input 1.5" in shown
        assert not AIModel.objects.exists()

    def test_changes_only_what_differs_and_keeps_the_history(self, file: Path) -> None:
        file.write_text(CARD)
        load(str(file), "--yes")
        file.write_text(CARD.replace("1.5", "2.5").replace('"Small"', '"Smaller"'))

        shown = load(str(file), "--yes")

        rate = Rate.objects.get()
        assert rate.input == D("2.5")
        assert "1.5" in shown
        assert "Smaller" in shown
        assert [row.input for row in rate.history.order_by("history_id")] == [D("1.5"), D("2.5")]
        assert "nothing to change" in load(str(file), "--yes")

    def test_keeps_what_the_file_does_not_name(self, file: Path) -> None:
        load("--yes")
        before = (AIModel.objects.count(), Rate.objects.count())
        file.write_text(CARD)

        load(str(file), "--yes")

        assert (AIModel.objects.count(), Rate.objects.count()) == (before[0] + 1, before[1] + 1)

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

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (("input = 1.5", "input = -1"), "input is a number"),
            (("input = 1.5", 'input = "1.5"'), "input is a number"),
            (("input = 1.5", "input = 0.0000001"), "six decimal places"),
            (("input = 1.5", "input = nan"), "input is a number"),
            (("input = 1.5", "inputs = 1.5"), "unknown inputs"),
            (("everyday", "best"), "tier is one of"),
            (("2026-01-01", '"soon"'), "starts_on is a date"),
            (('id = "small"', ""), "without an id"),
            (('name = "Small"', ""), "name is missing"),
            (("[[models.rates]]", "[models.rates]"), "expected"),
            (("[[models.rates]]", "rates = [1]\n[[models]]"), "models.rates.. expected"),
            (("[[models]]", "[[model]]"), "expected"),
            (("Small", "S" * 121), "model small: name: .* at most 120 characters"),
            (
                ("input = 1.5", "input = 1.5\nprompt_tokens_from = 3_000_000_000"),
                "prompt_tokens_from: .* 2147483647",
            ),
            (("=", ""), ""),
        ],
    )
    def test_refuses_another_file_and_says_where(
        self, file: Path, change: tuple[str, str], sentence: str
    ) -> None:
        file.write_text(CARD.replace(*change, 1))

        with pytest.raises(CommandError, match=sentence):
            load(str(file), "--yes")
        assert not AIModel.objects.exists()

    @pytest.mark.parametrize(
        ("lines", "sentence"),
        [
            ("input = 1", "model small, rate of 2026-01-01: output is missing"),
            ("output = 1", "model small, rate of 2026-01-01: input is missing"),
            ("cache_write = 1", "cache_write without input and output"),
            ("cached_input = 1\nreasoning = 2", "cached_input, reasoning without input and output"),
            ("input = 1\noutput = 1\nper_unit = 2", "per_unit cannot be charged"),
            ("per_unit = 0.5", "per_unit cannot be charged"),
            ("cached_input = 0", "cached_input without input and output"),
            ("per_request = 5", "per_request without input and output"),
            ("prompt_tokens_from = 10\ninput = 1\noutput = 1", "no band from 0 tokens"),
            (
                "input = 1\noutput = 1\ninput_includes_cached = true",
                "unknown input_includes_cached",
            ),
        ],
    )
    def test_refuses_what_could_not_be_charged(self, file: Path, lines: str, sentence: str) -> None:
        file.write_text(CARD.replace("input = 1.5\noutput = 3\n", f"{lines}\n"))

        with pytest.raises(CommandError, match=sentence):
            load(str(file), "--yes")
        assert not AIModel.objects.exists()

    def test_refuses_a_fee_of_a_higher_band_alone(self, file: Path) -> None:
        file.write_text(CARD + LONG_BAND + "per_request = 5\n")

        with pytest.raises(CommandError, match=r"per_request is 5 here and 0 in the first band"):
            load(str(file), "--yes")

    def test_refuses_a_higher_band_that_says_it_has_no_fee(self, file: Path) -> None:
        file.write_text(CARD + "per_request = 5\n" + LONG_BAND + "per_request = 0\n")

        with pytest.raises(CommandError, match=r"per_request is 0 here and 5 in the first band"):
            load(str(file), "--yes")

    def test_takes_the_fee_of_the_first_band_for_all(self, file: Path) -> None:
        file.write_text(CARD + "per_request = 5\n" + LONG_BAND)

        load(str(file), "--yes")

        assert set(Rate.objects.values_list("per_request", flat=True)) == {5}

    @pytest.mark.parametrize(
        "field",
        ["per_request = 5", "input_includes_cached = true", "output_includes_reasoning = false"],
    )
    def test_refuses_to_contradict_a_band_that_the_file_does_not_name(
        self, file: Path, field: str
    ) -> None:
        file.write_text(CARD + LONG_BAND)
        load(str(file), "--yes")
        name = field.split(maxsplit=1)[0]
        of_model = name != "per_request"
        change = (
            ("tier =", f"{field}\ntier =") if of_model else ("output = 3", f"output = 3\n{field}")
        )
        file.write_text(CARD.replace(*change))

        with pytest.raises(CommandError, match=f"nothing was changed: .*{name}"):
            load(str(file), "--yes")
        first = Rate.objects.get(prompt_tokens_from=0)
        assert first.per_request == 0
        assert not first.input_includes_cached
        assert first.output_includes_reasoning

    def test_refuses_the_same_twice(self, file: Path) -> None:
        file.write_text(CARD + CARD)

        with pytest.raises(rate_card.InvalidRateCard, match="twice"):
            rate_card.read(file)

    def test_refuses_a_file_that_is_not_there(self, tmp_path: Any) -> None:
        with pytest.raises(CommandError, match="No such file"):
            load(str(tmp_path / "none.toml"))
