"""The rate card: what the bundled file says, and what loading one changes."""

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import factories as f
from usage.models import AIModel, Rate
from usage.pricing import Tokens, price
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
    ("gemini-3.6-flash", "2026-11-01", ("1.50", None, None, "7.50")),
    ("gemini-3.1-flash-lite", "2026-11-01", ("0.25", None, None, "1.50")),
    ("gemini-2.0-flash", "2026-05-01", ("0.10", None, None, "0.40")),
]


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_rate_card", *arguments, stdout=out)
    return out.getvalue()


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


class TestBundled:
    @pytest.mark.parametrize(("slug", "day", "dollars"), PUBLISHED)
    def test_has_the_published_prices(
        self, slug: str, day: str, dollars: tuple[str | None, ...]
    ) -> None:
        load("--yes")
        model = AIModel.objects.get(slug=slug)

        card = rates.in_force(rates.cards_of([model], until=LATER), model, f.at(day))

        band = card.bands[0]
        cents = [None if dollar is None else D(dollar) * 100 for dollar in dollars]
        assert [band.input, band.cached_input, band.cache_write, band.output] == cents

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
            (("[[models]]", "[[model]]"), "expected"),
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

    def test_refuses_the_same_twice(self, file: Path) -> None:
        file.write_text(CARD + CARD)

        with pytest.raises(rate_card.InvalidRateCard, match="twice"):
            rate_card.read(file)

    def test_refuses_a_file_that_is_not_there(self, tmp_path: Any) -> None:
        with pytest.raises(CommandError, match="No such file"):
            load(str(tmp_path / "none.toml"))
