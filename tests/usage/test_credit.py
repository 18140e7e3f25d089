"""What a credit is: what the card says, and what becomes of prices when it is another."""

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from credits.models import Catalogue
from organizations.models import Organization
from tests import factories as f
from tests.callers import caller_of, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage import services
from usage.models import Rate, UsageEvent
from usage.services import credit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

D = Decimal
TODAY = f.at("2026-05-10")
ONLY = ("--only", "gpt-4o-mini")


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_rate_card", *arguments, "--yes", stdout=out)
    return out.getvalue()


def amounts_of(slug: str, since: Any = TODAY) -> dict[str, Decimal | None]:
    """Return what a card that begins at a moment costs in the standard way."""
    rates = Rate.objects.filter(model=slug, starts_at=since, variant="")
    return dict(rates.values_list("unit", "amount"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "card.toml"


CARD = """
credit_usd = 0.01

[[models]]
id = "small"
name = "Small"
provider = "acme"
tier = "everyday"

[[models.rates]]
starts_on = 2026-05-10
input_tokens = 3
output_tokens = 6
"""


class TestOfACredit:
    @pytest.mark.parametrize(
        "text", ["0", "-0.01", "1000.1", "0.00000000001", "NaN", "Infinity", "x", ""]
    )
    def test_is_worth_something(self, text: str) -> None:
        with pytest.raises(CommandError, match=f"argument --credit-usd: {text}: "):
            load(f"--credit-usd={text}")
        assert Catalogue.objects.get().credit_usd == D("0.01")

    def test_of_a_third_is_rounded_up_at_the_last_place(self) -> None:
        assert credit.credits_of(D("2.5"), D("0.03")) == D("83.33333333333333333334")
        assert credit.credits_of(D("2.5"), D("0.01")) == 250

    def test_may_not_be_so_little_that_a_price_is_too_high(self) -> None:
        with pytest.raises(credit.TooDear, match="25000000000000 credits are more than"):
            credit.credits_of(D(2_500), D("0.0000000001"))


class TestLoad:
    def test_of_a_list_makes_everything_dearer_and_says_so(self) -> None:
        load(*ONLY)
        before = amounts_of("gpt-4o-mini")

        said = load(*ONLY, "--credit-usd", "0.005")

        first = next(line for line in said.splitlines() if "everything" in line)
        assert [word in first for word in ("dearer", "US$ 0.01", "US$ 0.005")] == [True] * 3
        assert before["input_tokens"] == 15
        assert amounts_of("gpt-4o-mini") == {
            unit: 2 * (amount or 0) for unit, amount in before.items()
        }
        assert "nothing to change" in load(*ONLY)
        assert "nothing to change" in load(*ONLY, "--credit-usd", "0.005")
        assert "cheaper" in load(*ONLY, "--credit-usd", "0.01")
        assert amounts_of("gpt-4o-mini") == before

    def test_of_some_takes_all_others_with_them(self) -> None:
        """What began stays, what is in force goes on as a card of today, and what is to come is written anew."""
        p.make_model("own", credits_per_million=7)
        p.set_price("own", 9, since=f.at("2026-12-01"))
        p.set_price("own", None, "web_searches", since=f.at("2026-12-01"))

        load(*ONLY, "--credit-usd", "0.02")

        assert amounts_of("own", p.SINCE) == {"input_tokens": 7, "output_tokens": 7}
        assert amounts_of("own") == {"input_tokens": D("3.5"), "output_tokens": D("3.5")}
        later = amounts_of("own", f.at("2026-12-01"))
        assert later == {"output_tokens": D("4.5"), "web_searches": None}
        rate = Rate.objects.get(model="own", starts_at=TODAY, unit="output_tokens")
        assert rate.history.get().history_change_reason.startswith("shell:")

    def test_leaves_what_is_held_and_what_was_done(self) -> None:
        organization = f.make_organization(funded=1_000)
        own = p.make_model("own")
        held = p.hold(p.work(organization, model=own, millions=1))
        yesterday = f.at("2026-05-09")

        load(*ONLY, "--credit-usd", "0.005")

        assert p.settle(held, millions=1).settled_credits == 10
        assert p.hold(p.work(organization, model=own, millions=1)).credits == 20
        self._tell(organization, yesterday)
        assert UsageEvent.objects.get(external_id="x").credits == 10

    def _tell(self, organization: Organization, at: Any) -> None:
        tokens = services.Told(
            source="gateway",
            id="x",
            occurred_at=at,
            model="own",
            usage={"input_tokens": 0, "output_tokens": p.MILLION},
        )
        services.record(organization=organization, told=[tokens], performed_by=f.KEY, now=f.NOW)

    def test_changes_nothing_in_a_dry_run(self) -> None:
        p.make_model("own")

        call_command("load_rate_card", *ONLY, "--credit-usd", "1", "--dry-run", stdout=StringIO())

        assert Catalogue.objects.get().credit_usd == D("0.01")
        assert Rate.objects.count() == 2

    def test_changes_it_today_and_on_no_other_day(self) -> None:
        with pytest.raises(CommandError, match="a credit is becomes another today: not together"):
            load(*ONLY, "--credit-usd", "1", "--from", "2026-06-01")

    def test_refuses_what_makes_a_price_too_high(self) -> None:
        p.set_price(p.make_model("own"), 9_000_000_000_000)

        with pytest.raises(CommandError, match="credit_usd: 900000000000000 credits are more than"):
            load(*ONLY, "--credit-usd", "0.0001")
        assert Catalogue.objects.get().credit_usd == D("0.01")


class TestFile:
    def test_says_what_a_credit_is(self, file: Path) -> None:
        p.make_model("own", credits_per_million=7)
        file.write_text(CARD.replace("0.01", "0.002"))

        said = load(str(file))

        assert "US$ 0.002" in said
        assert Catalogue.objects.get().credit_usd == D("0.002")
        assert amounts_of("small") == {"input_tokens": 3, "output_tokens": 6}
        assert amounts_of("own") == {"input_tokens": 35, "output_tokens": 35}
        assert "nothing to change" in load(str(file))

    def test_that_says_nothing_changes_nothing(self, file: Path) -> None:
        load(*ONLY, "--credit-usd", "0.005")
        file.write_text(CARD.replace("credit_usd = 0.01", ""))

        load(str(file))

        assert Catalogue.objects.get().credit_usd == D("0.005")

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            ("0", r"credit_usd \(line 2\): 0: a credit is more than 0 US dollars"),
            ("-1", r"credit_usd \(line 2\): -1: a credit is more than 0 US dollars"),
            ('"0.01"', r"credit_usd \(line 2\): a number like 0.01 is expected"),
            ("true", r"credit_usd \(line 2\): a number like 0.01 is expected"),
        ],
    )
    def test_refuses_what_is_worth_nothing(self, file: Path, said: str, sentence: str) -> None:
        file.write_text(CARD.replace("0.01", said))

        with pytest.raises(CommandError, match=sentence):
            load(str(file))

    def test_takes_no_other_word_for_it(self, file: Path) -> None:
        file.write_text(CARD)

        with pytest.raises(CommandError, match="and what a credit is"):
            load(str(file), "--credit-usd", "0.01")


def test_is_said_beside_the_models() -> None:
    backend = caller_of(f.make_organization(funded=1))
    assert ok(backend.get("/models"))["creditUsd"] == "0.01"

    load(*ONLY, "--credit-usd", "0.005")

    assert ok(backend.get("/models"))["creditUsd"] == "0.005"
