"""What models are called: by their ids, by names that staff gave them, and by dated snapshots that the price list knows."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, ok
from tests.callers import clock as clock
from tests.trips import round_trips
from tests.usage import people as p
from usage.models import AIModel, UsageEvent
from usage.services import names, rates, terms

D = Decimal
RESERVATIONS, EVENTS = "/usage/reservations", "/usage/events"
SNAPSHOT = "gpt-4o-mini-2024-07-18"
TOKENS = {"inputTokens": 10, "maxOutputTokens": 10}


class TestMeant:
    @pytest.mark.parametrize(
        ("name", "slug", "provider"),
        [
            (SNAPSHOT, "gpt-4o-mini", "openai"),
            ("openai/gpt-4o-mini", "gpt-4o-mini", "openai"),
            ("azure/gpt-4o-mini-2024-07-18", "gpt-4o-mini", "openai"),
            ("openrouter/openai/gpt-4o-mini", "gpt-4o-mini", "openai"),
            ("bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet", "anthropic"),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5", "anthropic"),
            ("vertex_ai/claude-sonnet-4-5@20250929", "claude-sonnet-4-5", "anthropic"),
            ("gemini/gemini-2.0-flash-001", "gemini-2.0-flash", "google"),
            ("our-own-2026-11-01", "our-own", ""),
            ("our-own-latest", "our-own", ""),
            ("acme/our-own-20261101", "our-own", "acme"),
        ],
    )
    def test_a_model_by_its_other_names(self, name: str, slug: str, provider: str) -> None:
        assert names.Meaning(slug, provider) in names.meant(name)

    @pytest.mark.parametrize(
        "name", ["gpt-4o-minix", "nobody", "/", ".", "a/", "/a", "-2024-07-18"]
    )
    def test_no_model_by_what_is_none(self, name: str) -> None:
        assert {each.slug for each in names.meant(name)} <= {name, name.strip("/")}

    def test_nobody_elses_model_of_the_same_name(self) -> None:
        assert {each.provider for each in names.meant("acme/gpt-4o")} == {"", "acme"}
        assert names.Meaning("gpt-4o") not in names.meant("acme/gpt-4o")

    def test_what_its_seller_sells_before_what_its_maker_does(self) -> None:
        name = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        slugs = [each.slug for each in names.meant(name)]

        regional = "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0"
        assert slugs.index(regional) < slugs.index("claude-sonnet-4-5")


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


@pytest.fixture
def mini() -> AIModel:
    return p.make_model("gpt-4o-mini", credits_per_million=100_000, provider="openai")


def tell(backend: Caller, **fields: Any) -> Any:
    event = {"source": "t", "id": "1", "occurredAt": f.NOW.isoformat(), "inputTokens": 10} | fields
    (result,) = ok(backend.post(EVENTS, {"events": [event]}))["results"]
    return result


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock", "mini")
class TestSent:
    @pytest.mark.parametrize("name", [SNAPSHOT, "openai/gpt-4o-mini", "azure/gpt-4o-mini"])
    def test_is_held_settled_and_kept(self, backend: Caller, name: str) -> None:
        checked = ok(backend.post("/usage/check", {"model": name, **TOKENS}))
        held = ok(backend.post(RESERVATIONS, {"model": name, **TOKENS}), 201)
        settled = backend.post(
            f"{RESERVATIONS}/{held['id']}/settle",
            {"model": name, "inputTokens": 10, "outputTokens": 0},
        )

        for said in (checked, held, ok(settled)):
            assert [said["requestedModel"], said["effectiveModel"]] == [name, "gpt-4o-mini"]
        (event,) = ok(backend.get(EVENTS))["items"]
        assert [event["requestedModel"], event["model"]] == [name, "gpt-4o-mini"]
        assert event["note"] == f"gpt-4o-mini was called {name}"

    def test_is_charged_by_the_prices_that_are_held(self, backend: Caller, mini: AIModel) -> None:
        held = ok(backend.post(RESERVATIONS, {"model": "gpt-4o-mini", **TOKENS}), 201)
        mini.rates.update(amount=D(900_000))

        done = backend.post(
            f"{RESERVATIONS}/{held['id']}/settle",
            {"model": SNAPSHOT, "inputTokens": 10, "outputTokens": 0},
        )

        assert ok(done)["settledCredits"] == 1

    def test_is_told(self, backend: Caller) -> None:
        assert tell(backend, model=SNAPSHOT)["credits"] == 1
        assert tell(backend, model="gpt-4o-mini", id="2")["credits"] == 1

        told = {event.external_id: event for event in UsageEvent.objects.all()}
        assert [told["1"].model_id, told["2"].model_id] == ["gpt-4o-mini"] * 2
        assert [told["1"].note, told["2"].note] == [f"gpt-4o-mini was called {SNAPSHOT}", ""]

    def test_is_refused_if_it_means_nothing(self, backend: Caller) -> None:
        refused = backend.post(RESERVATIONS, {"model": "gpt-4o-minix", **TOKENS})

        assert details(refused)["fields"] == {"model": ["There is no such model."]}
        assert tell(backend, model="gpt-4o-minix")["reason"] == "unknown model"

    def test_means_what_staff_say_before_what_the_list_does(
        self, backend: Caller, mini: AIModel
    ) -> None:
        ok(backend.post(RESERVATIONS, {"model": SNAPSHOT, **TOKENS}), 201)
        other = p.make_model("ours", credits_per_million=1, provider="openai")
        AIModel.objects.filter(slug=other.slug).update(aliases=[SNAPSHOT, "fast"])

        for name in (SNAPSHOT, "fast"):
            held = ok(backend.post(RESERVATIONS, {"model": name, **TOKENS}), 201)
            assert held["effectiveModel"] == "ours"
        p.make_model("fast", credits_per_million=1, provider="acme")
        held = ok(backend.post(RESERVATIONS, {"model": "fast", **TOKENS}), 201)
        assert held["effectiveModel"] == "fast"

    def test_costs_no_round_trip_once_it_was_seen(self, backend: Caller) -> None:
        counts = []
        for name in ("gpt-4o-mini", "gpt-4o-mini", SNAPSHOT, SNAPSHOT):
            with round_trips() as trips:
                ok(backend.post(RESERVATIONS, {"model": name, **TOKENS}), 201)
            counts.append(trips.count)

        assert counts[3] == counts[1]

    def test_is_found_with_others_at_once(self, organization: Organization, mini: AIModel) -> None:
        found = terms.fresh(organization).models([SNAPSHOT, "gpt-4o-mini", "nobody"])

        assert found == {SNAPSHOT: mini, "gpt-4o-mini": mini}
        assert list(rates.cards_of(found.values())) == ["gpt-4o-mini"]


CARD = """
[[models]]
id = "small"
name = "Small"
provider = "acme"
tier = "everyday"
{aliases}
[[models.rates]]
starts_on = 2026-01-01
input_tokens = 1
"""


@pytest.mark.django_db(transaction=True)
class TestAliasesOfAFile:
    @pytest.fixture
    def load(self, tmp_path: Path) -> Any:
        def load(aliases: str) -> None:
            path = tmp_path / "card.toml"
            path.write_text(CARD.format(aliases=aliases))
            call_command("load_rate_card", str(path), "--yes")

        return load

    def test_are_loaded_and_stay_where_a_file_says_none(self, load: Any) -> None:
        load('aliases = ["tiny", "acme-small"]')
        load("")
        assert AIModel.objects.get().aliases == ["tiny", "acme-small"]
        load("aliases = []")
        assert AIModel.objects.get().aliases == []

    @pytest.mark.parametrize(
        ("aliases", "sentence"),
        [
            ('["large"]', "large is the id of a model, and no alias of small"),
            ('["big"]', "big is an alias of small, and none of large"),
            ('["small"]', "small is the id of a model, and no alias of small"),
            ('"tiny"', "model small (line 2): aliases is a list of names of up to 80 characters"),
            ('["tiny", "tiny"]', "model small (line 2): an alias is there twice"),
        ],
    )
    def test_are_refused_if_they_are_anothers(self, load: Any, aliases: str, sentence: str) -> None:
        large = p.make_model("large", credits_per_million=1)
        AIModel.objects.filter(slug=large.slug).update(aliases=["big"])

        with pytest.raises(
            CommandError, match=f"^{sentence}$".replace("(", r"\(").replace(")", r"\)")
        ):
            load(f"aliases = {aliases}")
        assert AIModel.objects.count() == 1
