"""What customers pay beside the rate card: markups for everybody, and prices of one customer."""

from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.trips import round_trips
from tests.usage import people as p
from usage.models import AIModel, CustomerPrice, Markup, UsageEvent
from usage.pricing import Price, RateCard, Tokens, price
from usage.services import markups, rerating, terms
from usage.services.markups import OF_ALL, OF_PARENT, OWN, Rule

D = Decimal
START, LATER = f.at("2026-01-01"), f.at("2026-05-01")
MODEL = AIModel(slug="sonnet", provider="anthropic")
CARD = RateCard(START.isoformat(), (Price("input_tokens", D(3)), Price("output_tokens", None)))
PAGE = (settings.BASE_DIR / "docs" / "prices.md").read_text()
RESERVATIONS, EVENTS = "/usage/reservations", "/usage/events"


def rule(
    factor: str,
    whose: int = OF_ALL,
    *,
    provider: str = "",
    model: str = "",
    since: datetime = START,
) -> Rule:
    return Rule(whose, provider, model, since, D(factor))


class TestRules:
    @pytest.mark.parametrize("count", range(1, 10))
    def test_the_nearest_counts(self, count: int) -> None:
        nearest_first = [
            rule(f"{number}", whose, model=model, provider=provider)
            for number, (whose, model, provider) in enumerate(
                (whose, model, provider)
                for whose in (OWN, OF_PARENT, OF_ALL)
                for model, provider in (("sonnet", ""), ("", "anthropic"), ("", ""))
            )
        ]
        rules = nearest_first[-count:]

        assert markups.factor_at(reversed(rules), LATER) == rules[0].factor

    def test_what_begins_later_and_what_is_of_others_does_not_count(self) -> None:
        rules = [rule("2", since=LATER), rule("3", model="opus"), rule("4", provider="openai")]

        assert markups.marked_up([(START, CARD)], [rules[1], rules[2]], MODEL) == [(START, CARD)]
        ((since, later), (_, before)) = markups.marked_up([(START, CARD)], rules, MODEL)
        assert [since, later.starts_at] == [LATER, LATER.isoformat()]
        assert [later.prices[0].amount, before.prices[0].amount] == [6, 3]
        assert later.prices[1].amount is None

    def test_a_rule_that_changes_nothing_begins_no_card(self) -> None:
        rules = [rule("2"), rule("2", since=LATER)]

        ((since, card),) = markups.marked_up([(START, CARD)], rules, MODEL)

        assert (since, card.prices[0].amount) == (START, D(6))

    def test_is_exact_and_rounded_once(self) -> None:
        card = RateCard(START.isoformat(), (Price("input_tokens", D("0." + "3" * 20)),))

        ((_, marked),) = markups.marked_up([(START, card)], [rule("999.999999")], MODEL)

        assert marked.prices[0].amount == D("333.33333299999999999666666667")
        # A third of a millionth is rounded up, and not twice.
        third = RateCard(START.isoformat(), (Price("input_tokens", D("0.333333")),))
        ((_, marked),) = markups.marked_up([(START, third)], [rule("1.5")], MODEL)
        assert price(marked, Tokens(input=4_000_000)) == D("1.999998")


@pytest.mark.parametrize(
    ("rules", "factor", "credits"),
    [
        ([], "1", "0.35"),
        ([rule("1.25")], "1.25", "0.4375"),
        ([rule("1.25"), rule("1.1", provider="anthropic")], "1.1", "0.385"),
        (
            [rule("1.25"), rule("1.1", provider="anthropic"), rule("0.8", OWN)],
            "0.8",
            "0.28",
        ),
        (
            [rule("1.25"), rule("0.8", OF_PARENT), rule("0.9", OWN, model="sonnet")],
            "0.9",
            "0.315",
        ),
    ],
)
def test_figures_of_the_page(rules: list[Rule], factor: str, credits: str) -> None:
    prices = Price("input_tokens", D(250)), Price("output_tokens", D(1_000))
    card = RateCard(START.isoformat(), prices)

    ((_, marked),) = markups.marked_up([(START, card)], rules, MODEL)

    assert price(marked, Tokens(input=1_000, output=100)) == D(credits)
    assert f"| {factor} | {credits} |" in PAGE


@pytest.fixture
def model() -> AIModel:
    """A credit a token that goes in."""
    return p.make_model("sonnet", credits_per_million=1_000_000)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000_000)


def hold(caller: Caller, slug: str = "sonnet") -> Any:
    asked = {"model": slug, "inputTokens": 10, "maxOutputTokens": 10}
    return ok(caller.post(RESERVATIONS, asked), 201)


def tell(caller: Caller, id: str, at: datetime = f.NOW) -> Any:
    event = {
        "source": "t",
        "id": id,
        "occurredAt": at.isoformat(),
        "model": "sonnet",
        "inputTokens": 10,
        "outputTokens": 0,
    }
    (result,) = ok(caller.post(EVENTS, {"events": [event]}))["results"]
    return result["credits"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock", "model")
class TestCharged:
    def test_by_what_is_for_everybody_at_every_door(self, organization: Organization) -> None:
        backend = caller_of(organization)
        plain = hold(backend)
        p.markup("1.25")

        held = hold(backend)
        asked = {"model": "sonnet", "inputTokens": 10, "maxOutputTokens": 10}
        checked = ok(backend.post("/usage/check", asked))

        assert D(str(held["credits"])) == D(str(plain["credits"])) * D("1.25")
        assert checked["credits"] == held["credits"]
        for which, charged in ((plain, 10), (held, 12.5)):
            done = backend.post(
                f"{RESERVATIONS}/{which['id']}/settle", {"inputTokens": 10, "outputTokens": 0}
            )
            assert ok(done)["settledCredits"] == charged
        assert tell(backend, "1") == 12.5
        p.markup("2", since=f.later(minutes=-1))
        assert [tell(backend, "2"), tell(backend, "3", f.later(minutes=-2))] == [20, 12.5]

    def test_by_a_customers_own_and_by_nobody_elses(self, organization: Organization) -> None:
        child = f.make_organization("Child", parent=organization, funded=1_000)
        other = f.make_organization("Other", funded=1_000)
        p.markup("3")
        p.markup("0.5", of=organization)

        told = [tell(caller_of(each), "1") for each in (organization, child, other)]
        assert told == [5, 5, 30]
        p.markup("0.8", of=child)
        assert tell(caller_of(child), "2") == 8

    def test_anew_by_what_was_in_force(self, organization: Organization) -> None:
        backend = caller_of(organization)
        tell(backend, "1")
        p.markup("1.1", of=organization)
        period = f.wallet_of(organization).period
        assert period is not None

        ((old, new),) = [
            (each.old, each.new) for each in rerating.preview(organization, period, now=f.NOW)
        ]

        assert [old, new] == [10, 11]

    def test_at_no_more_round_trips(self, organization: Organization) -> None:
        backend, counts = caller_of(organization), []
        hold(backend)
        for of in (None, organization):
            with round_trips() as trips:
                hold(backend)
            counts.append(trips.count)
            p.markup("2", of=of or organization, provider="anthropic" if of else "")
            hold(backend)
        with round_trips() as trips:
            hold(backend)

        assert [*counts, trips.count] == [counts[0]] * 3

    def test_says_since_when(self, organization: Organization, model: AIModel) -> None:
        p.markup("2", since=LATER)
        book = terms.fresh(organization)

        assert book.cards([model])["sonnet"][0][0] == LATER
        tell(caller_of(organization), "1")
        assert UsageEvent.objects.get().rated_at == LATER


@pytest.mark.django_db(transaction=True)
class TestLoad:
    def load(self, *arguments: str) -> str:
        out = StringIO()
        call_command("load_rate_card", *arguments, "--yes", stdout=out)
        return out.getvalue()

    def test_keeps_a_rule_and_not_dearer_rates(self) -> None:
        only = ["--only", "gpt-4o-mini", "--from", "2026-05-01"]
        self.load(*only)
        rates = list(AIModel.objects.get().rates.values_list("unit", "amount"))

        said = self.load(*only, "--markup", "1.25")

        assert "gpt-4o-mini from 2026-05-01" in said
        assert "1 dearer" in said
        assert list(AIModel.objects.get().rates.values_list("unit", "amount")) == rates
        rule = Markup.objects.get()
        assert (rule.model_id, rule.factor, rule.starts_at) == ("gpt-4o-mini", D("1.25"), LATER)
        assert Markup.history.get().history_change_reason.startswith("shell:")
        assert "nothing to change" in self.load(*only, "--markup", "1.25")
        assert "1 cheaper" in self.load(*only, "--markup", "1.2")
        assert Markup.objects.get().factor == D("1.2")

    @pytest.mark.parametrize(
        ("of", "scopes"),
        [
            (["--provider", "cerebras"], ["all of cerebras"]),
            (["--only", "gpt-4o", "gpt-4o-mini"], ["gpt-4o", "gpt-4o-mini"]),
        ],
    )
    def test_is_of_what_is_loaded(self, of: list[str], scopes: list[str]) -> None:
        self.load(*of, "--markup", "1.1")

        assert sorted(rule.scope for rule in Markup.objects.all()) == scopes

    @pytest.mark.parametrize("of", [["--provider", "acme"], ["--only", "own"]])
    def test_may_be_of_what_no_list_has_and_the_catalogue_does(self, of: list[str]) -> None:
        p.make_model("own", provider="acme")

        said = self.load(*of, "--markup", "1.1")

        assert "1 dearer" in said
        assert Markup.objects.get().factor == D("1.1")

    @pytest.mark.parametrize(
        "of", [["--provider", "acme", "--provider", "openai"], ["--only", "own"]]
    )
    def test_is_refused_of_what_nobody_has(self, of: list[str]) -> None:
        with pytest.raises(CommandError, match=f"not in the list: {of[1]}"):
            self.load(*of, "--markup", "1.1")

        assert not Markup.objects.exists()

    @pytest.mark.parametrize(
        ("factor", "sentence"),
        [
            ("0", "0: a markup is above 0, and at most 1000; what is free has a rate of 0"),
            ("-1", "-1: a markup is above 0, and at most 1000; what is free has a rate of 0"),
            ("1000.1", "1000.1: a markup is above 0, and at most 1000"),
            ("NaN", "NaN: a number like 1.25 is expected"),
            ("x", "x: a number like 1.25 is expected"),
            ("1.0000001", "1.0000001: a markup has up to six decimal places"),
        ],
    )
    def test_refuses_what_is_no_markup(self, factor: str, sentence: str) -> None:
        with pytest.raises(CommandError, match=sentence):
            self.load(f"--markup={factor}")
        assert not CustomerPrice.objects.exists()
        assert not AIModel.objects.exists()
