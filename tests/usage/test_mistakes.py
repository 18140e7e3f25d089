"""Each mistake that a rate card of five kinds of tokens made, with what is right: some work, from a price to its credits."""

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import simplejson
from django.core.management import CommandError, call_command

from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.models import AIModel, Rate

D = Decimal
RESERVATIONS, EVENTS = "/usage/reservations", "/usage/events"
TOKENS = {"input_cost_per_token": "0.000002", "output_cost_per_token": "0.000008"}
"""A model of 200 and 800 credits a million tokens."""
MILLION = p.MILLION

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


class Lost(NamedTuple):
    """A price that had no place: what a cost map says of it, some work that is charged by it, and the right credits."""

    price: dict[str, Any]
    mode: str
    usage: dict[str, Any]
    credits: str
    variant: dict[str, str] | None = None


LOST: dict[str, Lost] = {
    "batch": Lost(
        {**TOKENS, "input_cost_per_token_batches": "0.000001"},
        "chat",
        {"inputTokens": MILLION},
        "100",
        {"processing": "batch"},
    ),
    "images": Lost(
        {"output_cost_per_image": "0.04"}, "image_generation", {"outputImages": 3}, "12"
    ),
    "priority": Lost(
        {**TOKENS, "output_cost_per_token_priority": "0.000016"},
        "chat",
        {"inputTokens": 0, "outputTokens": MILLION},
        "1600",
        {"service_tier": "priority"},
    ),
    "flex": Lost(
        {**TOKENS, "input_cost_per_token_flex": "0.0000005"},
        "chat",
        {"inputTokens": MILLION},
        "50",
        {"service_tier": "flex"},
    ),
    "per second": Lost(
        {"input_cost_per_second": "0.0001"}, "audio_transcription", {"audioSeconds": 90}, "0.9"
    ),
    "one-hour cache": Lost(
        {
            **TOKENS,
            "cache_creation_input_token_cost": "0.0000025",
            "cache_creation_input_token_cost_above_1hr": "0.000004",
        },
        "chat",
        {"inputTokens": MILLION, "cacheWrite1hTokens": MILLION},
        "400",
    ),
    "audio": Lost(
        {**TOKENS, "input_cost_per_audio_token": "0.00004"},
        "chat",
        {"inputTokens": MILLION, "inputAudioTokens": MILLION // 2},
        "2100",
    ),
    "search": Lost(
        {**TOKENS, "search_context_cost_per_query": {"search_context_size_medium": "0.01"}},
        "chat",
        {"inputTokens": MILLION, "webSearches": 3},
        "203",
    ),
    "per character": Lost(
        {"input_cost_per_character": "0.000015"}, "audio_speech", {"inputCharacters": 1_000}, "1.5"
    ),
    "per page": Lost({"ocr_cost_per_page": "0.001"}, "ocr", {"inputDocumentPages": 10}, "1"),
    "per request": Lost(
        {**TOKENS, "input_cost_per_request": "0.005"}, "chat", {"inputTokens": MILLION}, "200.5"
    ),
    "above N tokens": Lost(
        {**TOKENS, "input_cost_per_token_above_200k_tokens": "0.000004"},
        "chat",
        {"inputTokens": 200_001},
        "80.0004",
    ),
}


@pytest.fixture
def backend() -> Caller:
    return caller_of(f.make_organization(funded=100_000))


def load_map(path: Path, entries: dict[str, Any]) -> str:
    """Load a cost map, and return what was said."""
    out, file = StringIO(), path / "map.json"
    file.write_text(simplejson.dumps(entries, use_decimal=True))
    call_command("load_rate_card", str(file), "--yes", "--from", "2026-01-01", stdout=out)
    return out.getvalue()


def exact(value: Any) -> Any:
    """Return the numbers that a map has, which are written here as texts."""
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    return D(value)


class TestLostPrices:
    @pytest.mark.parametrize("name", LOST)
    def test_are_loaded_held_and_charged(self, backend: Caller, tmp_path: Path, name: str) -> None:
        lost = LOST[name]
        entry = {"litellm_provider": "acme", "mode": lost.mode, **exact(lost.price)}
        said = load_map(tmp_path, {"small": entry})
        work = {"model": "small", **({"variant": lost.variant} if lost.variant else {})}

        held = ok(backend.post(RESERVATIONS, work | asked(lost.usage)), 201)
        done = {"usage": lost.usage}
        settled = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", done))
        event = {"source": "t", "id": "1", **work, **done}
        (told,) = ok(backend.post(EVENTS, {"events": [event]}))["results"]

        assert "left out" not in said
        assert D(str(settled["settledCredits"])) == D(str(told["credits"])) == D(lost.credits)
        assert settled["settledCredits"] <= held["credits"]


def asked(usage: dict[str, Any]) -> dict[str, Any]:
    """Return what somebody asks for who means to use this."""
    units = {name: count for name, count in usage.items() if not name.endswith("Tokens")}
    tokens = {
        "inputTokens": usage.get("inputTokens"),
        "maxOutputTokens": usage.get("outputTokens") or 1,
    }
    return (tokens if "inputTokens" in usage else {}) | ({"maxUnits": units} if units else {})


CARD = """
[[models]]
id = "small"
name = "Small"
provider = "acme"
tier = "everyday"

[[models.rates]]
starts_on = 2026-01-01
{prices}
"""


def load_card(path: Path, prices: str) -> None:
    file = path / "card.toml"
    file.write_text(CARD.format(prices=prices))
    call_command("load_rate_card", str(file), "--yes", stdout=StringIO())


class TestMistakes:
    def test_a_rate_that_would_charge_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="unknown per_unit"):
            load_card(tmp_path, "input_tokens = 1\nper_unit = 5")

    def test_a_prompt_that_is_written_to_a_cache_costs_no_more_than_was_held(
        self, backend: Caller, tmp_path: Path
    ) -> None:
        prices = "input_tokens = 300\ncache_write_tokens = 375\ncache_write_1h_tokens = 600"
        load_card(tmp_path, f"{prices}\noutput_tokens = 1500")
        work = {"model": "small", "inputTokens": MILLION, "maxOutputTokens": 1_000}

        held = ok(backend.post(RESERVATIONS, work), 201)
        usage = {"inputTokens": MILLION, "cacheWrite1hTokens": MILLION, "outputTokens": 1_000}
        settled = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", {"usage": usage}))

        # A million × 600 and a thousand × 1,500, per million.
        assert held["credits"] == settled["settledCredits"] == D("601.5")

    def test_a_model_that_only_has_a_price_for_what_goes_in_does_work(
        self, backend: Caller, tmp_path: Path
    ) -> None:
        load_card(tmp_path, "input_tokens = 2")
        results = []
        for limit in ({}, {"maxOutputTokens": 0}, {"maxOutputTokens": 100_001}):
            work = {"model": "small", "inputTokens": MILLION, **limit}
            held = ok(backend.post(RESERVATIONS, work), 201)
            usage = {"inputTokens": MILLION}
            settled = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", {"usage": usage}))
            results.append((held["credits"], settled["settledCredits"]))

        assert results == [(2, 2)] * 3

    def test_a_thought_too_many_is_charged_for_what_there_is_and_noted(
        self, backend: Caller, tmp_path: Path
    ) -> None:
        load_card(tmp_path, "input_tokens = 200\noutput_tokens = 1000")
        work = {"model": "small", "inputTokens": 0, "maxOutputTokens": 6_000}
        ways: list[dict[str, Any]] = [
            {"inputTokens": 0, "outputTokens": 6_000, "reasoningTokens": 6_001},
            {"usage": {"inputTokens": 0, "outputTokens": 6_000, "outputReasoningTokens": 6_001}},
        ]
        for done in ways:
            held = ok(backend.post(RESERVATIONS, work), 201)
            settled = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", done))

            assert settled["settledCredits"] == held["credits"] == 6
        notes = {event["note"] for event in ok(backend.get(EVENTS))["items"]}
        assert notes == {
            "6001 reasoning tokens of 6000 output tokens",
            "6001 output reasoning tokens of 6000 output tokens",
        }

    @pytest.mark.parametrize(
        ("slug", "dollars"),
        # A million tokens in, from the cache, out: what ai.google.dev says.
        [
            ("gemini-3.6-flash", ("0.75", "0.075", "3.75")),
            ("gemini-2.0-flash", ("0.10", "0.025", "0.40")),
        ],
    )
    def test_a_price_is_that_of_the_public_list(self, slug: str, dollars: tuple[str, ...]) -> None:
        call_command(
            "load_rate_card", "--only", slug, "--yes", "--from", "2026-11-01", stdout=StringIO()
        )

        model = AIModel.objects.get()
        units = ("input_tokens", "cache_read_tokens", "output_tokens")
        rates = Rate.objects.filter(model=model, variant="", hours="", starts_at=f.at("2026-11-01"))
        amounts = dict(rates.values_list("unit", "amount"))
        assert [amounts[unit] for unit in units] == [D(each) * 100 for each in dollars]
