"""The figures of docs/prices.md, worked out: what the page says is what is held, charged and told."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.models import AIModel
from usage.services import credit, rerating

D = Decimal
PAGE = (Path(__file__).parents[2] / "docs" / "prices.md").read_text()
RESERVATIONS, EVENTS = "/usage/reservations", "/usage/events"
CARD = {
    "input_tokens": 300,
    "cache_read_tokens": 30,
    "cache_write_tokens": 375,
    "cache_write_1h_tokens": 600,
    "output_tokens": 1_500,
    "web_searches": 1_000,
}
"""What the whole way of the page begins with: US$ 3 a million in, 0.30 from a cache, 3.75 and 6 written to it, 15 out, 10 a thousand searches."""
ANSWER = {
    "provider": "anthropic",
    "usage": {
        "input_tokens": 1_000,
        "cache_read_input_tokens": 4_000,
        "cache_creation_input_tokens": 5_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 3_000},
        "output_tokens": 1_000,
        "server_tool_use": {"web_search_requests": 2},
    },
}


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


def make_priced(prices: dict[str, Any], **fields: Any) -> AIModel:
    model = p.make_model("sonnet", credits_per_million=None, **fields)
    for unit, amount in prices.items():
        p.set_price(model, amount, unit)
    return model


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock")
class TestWholeWay:
    @pytest.fixture
    def backend(self, organization: Organization) -> Caller:
        make_priced(CARD)
        return caller_of(organization)

    def go(self, backend: Caller) -> tuple[Decimal, Decimal]:
        """Ask for the work of the page, and settle it as its provider says; return what was held, and what was charged."""
        asked = {"inputTokens": 10_000, "maxOutputTokens": 1_000, "maxUnits": {"webSearches": 2}}
        held = ok(backend.post(RESERVATIONS, {"model": "sonnet", **asked}), 201)
        path = f"{RESERVATIONS}/{held['id']}/settle"
        done = ok(backend.post(path, {"response": ANSWER}))
        return D(str(held["credits"])), D(str(done["settledCredits"]))

    def test_is_that_of_the_page(self, backend: Caller) -> None:
        assert self.go(backend) == (D("9.5"), D("6.47"))
        assert "+ 2 = **9.5**" in PAGE
        assert "+ 2 = **6.47**" in PAGE

    def test_of_a_customer_is_that_of_the_page(
        self, backend: Caller, organization: Organization
    ) -> None:
        p.markup("0.8", of=organization)

        assert self.go(backend) == (D("7.6"), D("5.176"))
        (model,) = ok(backend.get("/models"))["items"]
        (asked,) = (each for each in model["prices"] if each["unit"] == "inputTokens")
        assert (asked["per"], asked["credits"]) == (1_000_000, "240")
        assert "6.47 × 0.8 = **5.176**: what they are charged; held were 7.6" in PAGE
        assert '{"unit": "inputTokens", "per": 1000000, "credits": "240", …}' in PAGE


class TestCredit:
    @pytest.mark.parametrize(
        ("dollars", "worth", "rate"),
        [
            ("2.50", "0.01", "250"),
            ("2.50", "0.005", "500"),
            ("2.50", "0.03", "83.33333333333333333334"),
        ],
    )
    def test_is_that_of_the_page(self, dollars: str, worth: str, rate: str) -> None:
        assert credit.credits_of(D(dollars), D(worth)) == D(rate)
        assert f"| US$ {dollars} | US$ {worth} | {rate}" in PAGE


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock")
class TestExamples:
    CARD = {"input_tokens": 250, "cache_read_tokens": 25, "output_tokens": 1_000}

    @pytest.mark.parametrize(
        ("usage", "credits", "said"),
        [
            (
                {"inputTokens": 1_000, "cacheReadTokens": 800, "outputTokens": 100},
                "0.17",
                "(200 × 250 + 800 × 25 + 100 × 1,000) ÷ 1,000,000 = 0.17 credits",
            ),
            (
                {"inputTokens": 900, "cacheReadTokens": 800, "outputTokens": 300},
                "0.345",
                "(100 × 250 + 800 × 25 + 300 × 1,000) ÷ 1,000,000 = 0.345 credits",
            ),
        ],
    )
    def test_cost_what_the_page_says(
        self, organization: Organization, usage: dict[str, int], credits: str, said: str
    ) -> None:
        make_priced(self.CARD)
        event = {"source": "t", "id": "1", "model": "sonnet", "usage": usage}

        (told,) = ok(caller_of(organization).post(EVENTS, {"events": [event]}))["results"]

        assert D(str(told["credits"])) == D(credits)
        assert said in PAGE


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock")
class TestAfterAMistake:
    def test_is_charged_again_as_the_page_says(self, organization: Organization) -> None:
        make_priced({"input_tokens": 100, "output_tokens": 7_500})
        backend = caller_of(organization)
        for count in (1_000, 2_000):
            usage = {"inputTokens": 0, "outputTokens": count}
            event = {"source": "t", "id": str(count), "model": "sonnet", "usage": usage}
            ok(backend.post(EVENTS, {"events": [event]}))
        p.set_price("sonnet", 750)
        period = f.wallet_of(organization).period
        assert period is not None

        found = list(rerating.preview(organization, period, now=f.NOW))

        assert [(each.old, each.new) for each in found] == [
            (D("7.5"), D("0.75")),
            (D(15), D("1.5")),
        ]
        assert "| 1,000 out | 7.5 | 0.75 | + 7.5, − 0.75 |" in PAGE
        assert "| 2,000 out | 15 | 1.5 | + 15, − 1.5 |" in PAGE
