"""Work that is told by unit: what it costs, whoever the provider is, and what its event says."""

from decimal import Decimal
from typing import Any

import pytest

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.usage import people as p
from usage.counts import BY_NAME, completed, missing_whole, remarks, tokens_of
from usage.models import AIModel, UsageEvent
from usage.pricing import Price, RateCard, Tokens, price, price_of
from usage.services import rerating
from usage.units import UNITS

D = Decimal
RESERVATIONS = "/usage/reservations"
MILLION = p.MILLION

CLAUDE = {
    "input_tokens": 300,
    "output_tokens": 1_500,
    "cache_read_tokens": 30,
    "cache_write_tokens": 375,
    "cache_write_1h_tokens": 600,
    "web_searches": 1_000,
}
USAGE = {
    "inputTokens": 1_000_000,
    "cacheReadTokens": 500_000,
    "cacheWriteTokens": 300_000,
    "cacheWrite1hTokens": 100_000,
    "outputTokens": 100_000,
    "webSearches": 3,
}
# 200,000 × 300 + 500,000 × 30 + 200,000 × 375 + 100,000 × 600 + 100,000 × 1,500, per million, and 3 × 1,000 per thousand
CREDITS = 363


def card(beside: bool) -> RateCard:
    prices = tuple(Price(unit, D(amount)) for unit, amount in CLAUDE.items())
    return RateCard("2026-01-01T00:00:00+00:00", prices, not beside, not beside)


class TestCounts:
    def test_have_the_names_of_all_units_in_camel_case(self) -> None:
        assert BY_NAME["cacheWrite5mTokens"] == "cache_write_5m_tokens"
        assert set(BY_NAME.values()) == set(UNITS) - {"requests"}

    @pytest.mark.parametrize("beside", [True, False])
    def test_cost_the_same_whoever_counts(self, beside: bool) -> None:
        counts = {"input_tokens": 1_000, "cache_read_tokens": 600, "output_tokens": 50}
        own = Tokens(400 if beside else 1_000, 600, 0, 50)

        assert price_of(card(beside), counts) == price(card(beside), own)
        assert tokens_of(card(beside), counts) == own

    def test_need_the_whole_of_a_part(self) -> None:
        assert missing_whole({"cache_read_tokens": 1}) == ("cache_read_tokens", "input_tokens")
        assert missing_whole({"input_tokens": 1, "cache_read_tokens": 1}) is None

    def test_are_completed_between_a_part_and_its_whole(self) -> None:
        told = {"input_tokens": 9, "cache_write_5m_tokens": 2, "cache_write_1h_tokens": 3}

        assert completed(told) == told | {"cache_write_tokens": 5}
        within = told | {"cache_audio_write_1h_tokens": 1}
        assert completed(within)["cache_write_tokens"] == 5

    def test_say_what_cannot_be(self) -> None:
        told = {"input_tokens": 5, "cache_read_tokens": 6, "code_executions": 2}

        assert remarks(told) == "6 cache read tokens of 5 input tokens"
        both = {"input_tokens": 5, "cache_read_tokens": 4, "cache_write_tokens": 4}
        assert remarks(both) == "8 cached tokens of 5 input tokens"
        assert not remarks({"input_tokens": 5, "cache_read_tokens": 5})


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=10_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


@pytest.fixture
def model() -> AIModel:
    model = p.make_model("claude", credits_per_million=None)
    for unit, amount in CLAUDE.items():
        p.set_price(model, amount, unit)
    return model


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("model")
class TestSettle:
    @pytest.fixture
    def held(self, backend: Caller) -> Any:
        work = {"model": "claude", "inputTokens": MILLION, "maxOutputTokens": MILLION}
        return ok(backend.post(RESERVATIONS, work), 201)

    def test_charges_any_units_once(self, backend: Caller, held: Any) -> None:
        path = f"{RESERVATIONS}/{held['id']}/settle"

        done = ok(backend.post(path, {"usage": USAGE}))
        again = ok(backend.post(path, {"usage": dict(reversed(USAGE.items()))}))
        other = backend.post(path, {"usage": USAGE | {"webSearches": 4}})

        assert done == again
        assert done["settledCredits"] == CREDITS
        assert error(other) == (409, "CONFLICT")
        (event,) = ok(backend.get("/usage/events"))["items"]
        assert event["usage"] == USAGE
        assert event["note"] is None
        # As its provider counts them: cached ones beside the input.
        assert [event["inputTokens"], event["cachedInputTokens"]] == [200_000, 500_000]
        assert [event["cacheWriteTokens"], event["outputTokens"]] == [300_000, 100_000]

    def test_notes_what_contradicts_itself_and_charges_what_is_possible(
        self, backend: Caller, held: Any
    ) -> None:
        usage = {"inputTokens": MILLION, "cacheReadTokens": MILLION + 1}

        done = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", {"usage": usage}))

        assert done["settledCredits"] == 30
        assert UsageEvent.objects.get().note == (
            "1000001 cache read tokens of 1000000 input tokens"
        )

    @pytest.mark.parametrize(
        ("usage", "sentence"),
        [
            ({}, "Counts by unit are expected"),
            ([], "Counts by unit are expected"),
            ({"tokens": 1}, "There is no unit 'tokens'."),
            ({"requests": 1}, "There is no unit 'requests'."),
            ({"inputTokens": -1}, "inputTokens is a whole number"),
            ({"inputTokens": 1.5}, "inputTokens is a whole number"),
            ({"inputTokens": True}, "inputTokens is a whole number"),
            ({"inputTokens": 10**9 + 1}, "inputTokens is a whole number"),
            ({"cacheReadTokens": 1}, "cacheReadTokens needs inputTokens beside it"),
        ],
    )
    def test_refuses_what_is_impossible_by_name(
        self, backend: Caller, held: Any, usage: Any, sentence: str
    ) -> None:
        answer = backend.post(f"{RESERVATIONS}/{held['id']}/settle", {"usage": usage})

        assert error(answer)[0] == 422
        (said,) = details(answer)["fields"]["usage"]
        assert sentence in said

    def test_is_told_one_way(self, backend: Caller, held: Any) -> None:
        both = {"usage": USAGE, "inputTokens": 1, "outputTokens": 1}

        answer = backend.post(f"{RESERVATIONS}/{held['id']}/settle", both)

        assert error(answer)[0] == 422

    def test_needs_a_model(self, backend: Caller) -> None:
        held = ok(backend.post(RESERVATIONS, {"estimatedCredits": 5}), 201)

        answer = backend.post(f"{RESERVATIONS}/{held['id']}/settle", {"usage": USAGE})

        assert error(answer)[0] == 422


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("model")
class TestTell:
    def event(self, **fields: Any) -> dict[str, Any]:
        return {"source": "job", "id": "1", "model": "claude", "usage": USAGE} | fields

    def test_charges_any_units(self, backend: Caller) -> None:
        (result,) = ok(backend.post("/usage/events", {"events": [self.event()]}))["results"]

        assert result["credits"] == CREDITS
        (event,) = ok(backend.get("/usage/events"))["items"]
        assert event["usage"] == USAGE
        assert event["inputTokens"] == 200_000

    def test_needs_a_model(self, backend: Caller) -> None:
        event = self.event()
        del event["model"]

        (result,) = ok(backend.post("/usage/events", {"events": [event]}))["results"]

        assert (result["status"], result["reason"]) == ("rejected", "model: Tokens need a model.")

    def test_is_rejected_by_name_where_it_is_impossible(self, backend: Caller) -> None:
        event = self.event(usage={"cacheReadTokens": 1})

        (result,) = ok(backend.post("/usage/events", {"events": [event]}))["results"]

        assert result["status"] == "rejected"
        assert "cacheReadTokens needs inputTokens beside it" in result["reason"]

    def test_is_priced_again_by_its_units(
        self, backend: Caller, organization: Organization
    ) -> None:
        ok(backend.post("/usage/events", {"events": [self.event()]}))
        p.set_price("claude", 2_000, "web_searches")

        found = [
            each.new
            for period in f.periods_of(organization)
            for each in rerating.preview(organization, period, now=period.ends_at)
        ]

        assert found == [CREDITS + 3]
