"""The list of models: which, what they are called, and what they cost whoever asks."""

from typing import Any

import pytest

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.models import AIModel

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    p.make_models()
    gpt = p.make_model("gpt", provider="openai", tier="strategic")
    AIModel.objects.filter(slug=gpt.slug).update(aliases=["large", "larger"])
    p.make_model("new", credits_per_million=None, provider="openai")
    return caller_of(organization)


def listed(caller: Caller, **query: Any) -> list[str]:
    return [each["id"] for each in ok(caller.get("/models", **query))["items"]]


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "slugs"),
        [
            ({"provider": "openai"}, ["gpt", "new"]),
            ({"provider": "nobody"}, []),
            ({"tier": "strategic"}, ["gpt"]),
            ({"available": "true"}, ["gpt", "haiku", "sonnet"]),
            ({"available": "false"}, ["new"]),
            ({"available": "false", "provider": "anthropic"}, []),
            ({"q": "SONN"}, ["sonnet"]),
            ({"q": "anthro"}, ["haiku", "sonnet"]),
            ({"q": "larger"}, ["gpt"]),
            ({"q": "lar"}, []),
            ({"q": "%"}, []),
        ],
    )
    def test_name_models(self, backend: Caller, query: Any, slugs: list[str]) -> None:
        assert listed(backend, **query) == slugs

    def test_of_what_is_available_goes_on_past_a_page_without(self, backend: Caller) -> None:
        p.make_model("a", credits_per_million=None)
        first = ok(backend.get("/models", available="true", limit=1))

        assert first["items"] == []
        assert listed(backend, available="true", cursor=first["nextCursor"], limit=1) == ["gpt"]

    @pytest.mark.parametrize(
        "query", [{"tier": "golden"}, {"available": "yes"}, {"q": ""}, {"provider": "a" * 41}]
    )
    def test_are_refused_by_their_name(self, backend: Caller, query: dict[str, str]) -> None:
        refused = backend.get("/models", **query)

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"].keys() == query.keys()


class TestPrices:
    def test_are_those_of_whoever_asks(self, backend: Caller, organization: Organization) -> None:
        gpt = AIModel.objects.get(slug="gpt")
        gpt.rates.all().delete()
        p.set_price(gpt, "2.5", "input_tokens")
        p.set_price(gpt, 5, "input_tokens", prompt_tokens_from=200_001)
        p.set_price(gpt, 1, "input_tokens", variant="service_tier=flex")
        p.set_price(gpt, "2.02", "input_tokens", hours="16:30-00:30")
        p.set_price(gpt, None, "web_searches")
        p.markup("1.25", of=organization, since=f.later(minutes=-1))

        (model,) = ok(backend.get("/models", q="gpt"))["items"]

        assert model["aliases"] == ["large", "larger"]
        assert model["ratedAt"] == f.later(minutes=-1).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        plain: dict[str, Any] = {
            "promptTokensFrom": 0,
            "variant": None,
            "hours": None,
            "atLeast": 0,
        }
        tokens = {**plain, "unit": "inputTokens", "per": 1_000_000}
        wanted: list[dict[str, Any]] = [
            {**tokens, "credits": "3.125"},
            {**tokens, "credits": "6.25", "promptTokensFrom": 200_001},
            {**tokens, "credits": "1.25", "variant": {"service_tier": "flex"}},
            {**tokens, "credits": "2.525", "hours": "16:30-00:30"},
            {**plain, "unit": "webSearches", "per": 1_000, "credits": None},
        ]
        by_credits = {price["credits"]: price for price in model["prices"]}
        assert by_credits == {price["credits"]: price for price in wanted}
        assert len(model["prices"]) == len(wanted)

    def test_are_none_where_there_are_none(self, backend: Caller) -> None:
        (model,) = ok(backend.get("/models", q="new"))["items"]

        assert [model["ratedAt"], model["prices"], model["aliases"]] == [None, [], []]
