"""The rate card as a person reads it, the calculator beside it, and the list of models with their prices."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories as f
from tests.usage import people as p
from usage.models import AIModel
from usage.services import credit, markups, rates
from usage.services.calculating import calculate
from usage.services.served import Served

pytestmark = pytest.mark.django_db(transaction=True)
SOON = f.NOW + timedelta(days=30)


def a_model() -> AIModel:
    """Make a model with bands, a variant, seconds and a part, and other prices from a moment that is to come."""
    model = p.make_model("sonnet")
    p.set_price(model, 250, "input_tokens")
    p.set_price(model, 500, "input_tokens", prompt_tokens_from=200_001)
    p.set_price(model, 125, "input_tokens", variant="processing=batch")
    p.set_price(model, 25, "cache_read_tokens")
    p.set_price(model, 1_000, "output_tokens")
    p.set_price(model, 36, "audio_seconds")
    for unit, amount in (("input_tokens", 300), ("output_tokens", 900), ("web_searches", 1_000)):
        p.set_price(model, amount, unit, since=SOON)
    return model


def url_of(model: AIModel) -> str:
    return reverse("admin:usage_aimodel_change", args=[model.pk])


def shown(client: Client, model: AIModel, **query: str) -> Any:
    answer = client.get(url_of(model), query)
    assert answer.status_code == 200
    return answer.context


def cells(card: Any) -> dict[tuple[str, int, str], list[tuple[Any, str]]]:
    return {
        (row.unit, row.prompt_from, row.variant): [(cell.amount, cell.change) for cell in row.cells]
        for row in card.rows
    }


class TestCard:
    def test_sets_what_is_to_come_beside_what_is_in_force(self, ana: Client) -> None:
        card = shown(ana, a_model())["card"]

        assert [(each.state, each.ends_at) for each in card.columns] == [
            ("now", SOON),
            ("to come", None),
        ]
        assert cells(card) == {
            ("input tokens", 0, ""): [(250, ""), (300, "dearer")],
            ("input tokens", 0, "processing=batch"): [(125, ""), (None, "gone")],
            ("input tokens", 200_001, ""): [(500, ""), (None, "gone")],
            ("cache read tokens", 0, ""): [(25, ""), (None, "gone")],
            ("output tokens", 0, ""): [(1_000, ""), (900, "cheaper")],
            ("audio seconds", 0, ""): [(36, ""), (None, "gone")],
            ("web searches", 0, ""): [(None, ""), (1_000, "new")],
        }

    def test_says_what_a_credit_is(self, ana: Client) -> None:
        model = a_model()
        credit.keep(Decimal("0.005"))
        new = reverse("admin:usage_aimodel_new-prices", args=[model.pk])

        for page in (url_of(model), new):
            assert "in credits of US$ 0.005 each" in ana.get(page).content.decode()
        form = ana.get(reverse("admin:usage_rate_add")).content.decode()
        assert "A credit is US$ 0.005." in form

    def test_says_what_a_thousand_a_million_and_a_minute_cost(self, ana: Client) -> None:
        card = shown(ana, a_model())["card"]

        said = {
            row.unit: (row.per, row.cells[0].smaller, row.smaller_per)
            for row in card.rows
            if not row.prompt_from and not row.variant
        }
        assert said["input tokens"] == ("a million", Decimal("0.25"), "a thousand")
        assert said["audio seconds"] == ("an hour", Decimal("0.6"), "a minute")
        html = ana.get(url_of(AIModel.objects.get())).content.decode()
        assert "0.60 a minute" in html

    def test_includes_the_markup_and_shows_the_card_s_own_price(self, ana: Client) -> None:
        model = a_model()
        p.markup("1.25")
        p.markup(2, provider="anthropic", since=SOON + timedelta(days=1))

        card = shown(ana, model)["card"]

        assert [each.factor for each in card.columns] == [Decimal("1.25"), Decimal("1.25"), 2]
        row = next(row for row in card.rows if row.unit == "output tokens")
        assert [(cell.amount, cell.written) for cell in row.cells] == [
            (1_250, 1_000),
            (1_125, 900),
            (1_800, 900),
        ]
        assert "× 1.25 markup" in ana.get(url_of(model)).content.decode()

    def test_agrees_with_what_charges(self, ana: Client) -> None:
        model = a_model()
        p.markup("1.25")
        card = rates.in_force(rates.cards_of([model]), model, f.NOW)

        found = cells(shown(ana, model)["card"])

        assert {
            (price.unit.replace("_", " "), price.prompt_from, price.variant): price.amount
            for price in card.prices
        } == {step: both[0][0] for step, both in found.items() if both[0][0] is not None}

    def test_shows_a_card_of_the_past_beside_them(self, ana: Client) -> None:
        model = a_model()
        p.set_rate(model, 5, since=f.NOW - timedelta(days=900))
        since = (f.NOW - timedelta(days=900)).isoformat()

        card = shown(ana, model, shown=since)["card"]

        assert [each.state for each in card.columns] == ["past", "now", "to come"]
        assert cells(card)["output tokens", 0, ""] == [(5, ""), (1_000, "dearer"), (900, "cheaper")]

    def test_tells_since_when_until_when_and_the_markups_that_apply(self, ana: Client) -> None:
        model = a_model()
        own = f.make_organization(name="Acme")
        p.markup("0.8", of=own, model=model)
        p.markup("1.1", provider="anthropic")
        p.markup("3", provider="openai")

        context = shown(ana, model)

        states = [
            (each.column.starts_at, each.column.ends_at, each.column.state)
            for each in context["versions"]
        ]
        assert states == [(SOON, None, "to come"), (p.SINCE, SOON, "now")]
        applied = [(each.organization, each.scope, each.factor) for each in context["markups"]]
        assert applied == [
            (None, "all of anthropic", Decimal("1.1")),
            (own, "sonnet", Decimal("0.8")),
        ]
        html = ana.get(url_of(model)).content.decode()
        for each in context["markups"]:
            assert each.url in html
            assert each.history in html
        assert f"{reverse('admin:usage_markup_add')}?model=sonnet" in html

    def test_says_that_a_model_has_no_price(self, ana: Client) -> None:
        model = p.make_model("bare", credits_per_million=None)

        assert "It has no price yet" in ana.get(url_of(model)).content.decode()

    @pytest.mark.parametrize("garbage", ["x", "2026-13-45", "0001-01-01", "\x00", "9" * 40])
    def test_survives_any_address(self, ana: Client, garbage: str) -> None:
        model = a_model()

        for name in ("shown", "at", "organization", "variant", "count-input_tokens", "count-x"):
            query = {"count-output_tokens": "1", name: garbage}
            assert ana.get(url_of(model), query).status_code == 200

    def test_asks_the_same_whatever_stands_on_it(
        self, ana: Client, django_assert_max_num_queries: Any
    ) -> None:
        model = a_model()
        for day in range(1, 9):
            p.markup(day, model=model, since=f.NOW + timedelta(days=day))

        with django_assert_max_num_queries(25):
            shown(ana, model)


class TestCalculator:
    def asked(self, client: Client, model: AIModel, **counts: str) -> Any:
        named = {
            f"count-{unit}" if unit[-1] == "s" else unit: value for unit, value in counts.items()
        }
        return shown(client, model, **named)["calculator"]

    def test_adds_up_as_work_is_charged(self, ana: Client) -> None:
        """By hand: (200 × 250 + 800 × 25 + 100 × 1,000) ÷ 1,000,000 = 0.17."""
        found = self.asked(
            ana, a_model(), input_tokens="1,000", cache_read_tokens="800", output_tokens="100"
        )

        assert found["total"] == Decimal("0.17")
        assert [(line["unit"], line["count"], line["credits"]) for line in found["lines"]] == [
            ("input tokens", "200", Decimal("0.05")),
            ("cache read tokens", "800", Decimal("0.02")),
            ("output tokens", "100", Decimal("0.1")),
        ]

    def test_takes_a_variant_a_moment_and_seconds(self, ana: Client) -> None:
        model = a_model()

        batch = self.asked(ana, model, input_tokens="1000", variant="processing=batch")
        later = self.asked(ana, model, input_tokens="1000", at=f"{SOON:%Y-%m-%d %H:%M}")
        heard = self.asked(ana, model, audio_seconds="1.5")

        assert batch["total"] == Decimal("0.125")
        assert later["total"] == Decimal("0.3")
        assert heard["total"] == Decimal("0.015")

    def test_is_that_of_a_customer(self, ana: Client) -> None:
        model, own = a_model(), f.make_organization()
        p.markup("1.25")
        p.markup("0.8", of=own)

        anybody = self.asked(ana, model, output_tokens="1000")
        customer = self.asked(ana, model, output_tokens="1000", organization=str(own.pk))

        assert (anybody["total"], anybody["factor"]) == (Decimal("1.25"), Decimal("1.25"))
        assert (customer["total"], customer["factor"]) == (Decimal("0.8"), Decimal("0.8"))

    def test_of_a_child_is_its_parent_s_price(self) -> None:
        model, (parent, child) = a_model(), f.make_family()
        p.markup("0.5", of=parent)

        found = calculate(
            model=model, usage={"output_tokens": 1_000}, organization=child, moment=f.NOW
        )

        assert found.bill.total == Decimal("0.5")
        assert markups.of_customer(child)[0].whose == markups.OF_PARENT

    def test_says_why_something_has_no_price(self, ana: Client) -> None:
        model = a_model()

        past = self.asked(ana, model, output_tokens="1", at="2020-01-01 00:00")
        part = self.asked(ana, model, cache_read_tokens="1")

        assert past["problem"] == "Sonnet has no price."
        assert part["form"].errors == {
            "count-cache_read_tokens": ["It is a part of the input tokens."]
        }

    def test_charges_what_the_settle_would(self) -> None:
        model = a_model()
        usage = {"input_tokens": 200_001, "cache_read_tokens": 7, "output_tokens": 33}
        card = rates.in_force(rates.cards_of([model]), model, f.NOW)

        bill = calculate(model=model, usage=usage, moment=f.NOW).bill

        assert bill.total == Served.of("sonnet", card, f.NOW, "").charge(None, usage)[0]
        assert sum(line.credits for line in bill.lines) <= bill.total
        assert next(line.amount for line in bill.lines if line.unit == "input_tokens") == 500


class TestModels:
    def test_are_listed_with_their_main_prices(self, ana: Client) -> None:
        a_model()
        heard = p.make_model("whisper", credits_per_million=None)
        p.set_price(heard, 36, "audio_seconds")
        p.make_model("bare", credits_per_million=None)
        p.markup(2)

        html = ana.get(reverse("admin:usage_aimodel_changelist")).content.decode()

        for said in (
            "500",
            "2,000",
            "2 more",
            "72 an hour audio seconds",
            "no price",
            f"{SOON:%-d %b %Y}",
        ):
            assert said in html

    def test_are_read_at_once(self, ana: Client, django_assert_max_num_queries: Any) -> None:
        for number in range(30):
            p.make_model(f"model-{number}")

        with django_assert_max_num_queries(18):
            ana.get(reverse("admin:usage_aimodel_changelist"))
