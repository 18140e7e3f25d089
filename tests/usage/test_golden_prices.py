"""Golden tables: what work costs, by prices that a person can check by hand, however it is told.

A credit is a cent; prices are credits for a million tokens, a thousand searches or images, an hour of seconds.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.counts import BY_NAME, NAMES, completed
from usage.models import AIModel, Rate
from usage.pricing import RateCard, Tokens, dearest, price, price_of
from usage.responses import counts_of
from usage.services import rates
from usage.units import TOKENS

D = Decimal
BATCH, FLEX, PRIORITY = "processing=batch", "service_tier=flex", "service_tier=priority"
MODELS: dict[str, dict[Any, int]] = {
    # Its input contains what is cached. From 200,001 tokens on twice as dear.
    "inclusive": {
        "input_tokens": 200,
        "cache_read_tokens": 20,
        "output_tokens": 800,
        "web_searches": 1_000,
        ("input_tokens", "", 200_001): 400,
        ("output_tokens", "", 200_001): 1_600,
        ("input_tokens", BATCH, 0): 100,
        ("output_tokens", BATCH, 0): 400,
        ("input_tokens", FLEX, 0): 150,
        ("input_tokens", PRIORITY, 0): 350,
        ("input_tokens", PRIORITY, 200_001): 700,
        ("output_tokens", PRIORITY, 0): 1_400,
    },
    # What is cached is beside its input; written for five minutes or an hour.
    "exclusive": {
        "input_tokens": 300,
        "cache_read_tokens": 30,
        "cache_write_tokens": 375,
        "cache_write_1h_tokens": 600,
        "output_tokens": 1_500,
        "web_searches": 1_000,
        ("input_tokens", "", 200_001): 600,
        ("cache_write_1h_tokens", "", 200_001): 1_200,
        ("input_tokens", BATCH, 0): 150,
        ("cache_read_tokens", BATCH, 0): 15,
        ("output_tokens", BATCH, 0): 750,
    },
    # Its input contains what is cached and heard, its thoughts are beside its output.
    "multimodal": {
        "input_tokens": 30,
        "input_audio_tokens": 100,
        "cache_read_tokens": 3,
        "cache_audio_read_tokens": 10,
        "output_tokens": 250,
        "output_image_tokens": 3_000,
        "output_audio_tokens": 1_200,
        "web_searches": 1_400,
        ("input_tokens", BATCH, 0): 15,
        ("output_tokens", BATCH, 0): 125,
    },
    # It counts itself what it searches and what it quotes.
    "searching": {
        "input_tokens": 200,
        "output_tokens": 800,
        "output_citation_tokens": 300,
        "web_searches": 500,
    },
    "images": {"output_images": 4_000},
    "seconds": {"audio_seconds": 36},
}
PROVIDERS = {
    "inclusive": "openai",
    "exclusive": "anthropic",
    "multimodal": "google",
    "searching": "perplexity",
}
FLAGS = {"exclusive": (False, True), "multimodal": (True, False)}
"""Whether its own input count contains the cached tokens, and its own output count the reasoning; both, unless said."""


class Row(NamedTuple):
    """Some work, each time the same: by unit, by its provider's counts, as its provider's answer says it; and its price."""

    name: str
    model: str
    usage: dict[str, Any]
    credits: str
    own: dict[str, int] | None = None
    response: dict[str, Any] | None = None
    variant: dict[str, str] | None = None


def chat(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return {"provider": "openai", "flavor": "chat", "usage": usage}


def responses(input: int, output: int, *, cached: int) -> dict[str, Any]:
    usage = {
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
    }
    return {"provider": "openai", "flavor": "responses", "usage": usage}


def claude(
    fresh: int, output: int, *, read: int = 0, short: int = 0, hour: int = 0, searches: int = 0
) -> dict[str, Any]:
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": searches},
    }
    return {"provider": "anthropic", "usage": usage}


def gemini(prompt: int, candidates: int, **more: Any) -> dict[str, Any]:
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, **more}
    return {"provider": "google", "usage": usage}


def sonar(prompt: int, completion: int, *, citations: int, searches: int) -> dict[str, Any]:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "citation_tokens": citations,
        "num_search_queries": searches,
        "search_context_size": "low",
    }
    return {"provider": "perplexity", "usage": usage}


def besides(answer: dict[str, Any], **units: int) -> dict[str, Any]:
    """Return an answer, and what its provider does not count in it."""
    return answer | {"units": units}


def of(modality: str, count: int) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": count}]


TABLE = [
    # 10,000 × 200 + 1,000 × 800, per million
    Row(
        "plain",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "2.8",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        chat(10_000, 1_000),
    ),
    # 2,000 × 200 + 8,000 × 20 + 1,000 × 800
    Row(
        "cached",
        "inclusive",
        {"inputTokens": 10_000, "cacheReadTokens": 8_000, "outputTokens": 1_000},
        "1.36",
        {"inputTokens": 10_000, "cachedInputTokens": 8_000, "outputTokens": 1_000},
        chat(10_000, 1_000, cached=8_000),
    ),
    # Thoughts are output: 10,000 × 200 + 1,000 × 800
    Row(
        "thinking",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000, "outputReasoningTokens": 900},
        "2.8",
        {"inputTokens": 10_000, "outputTokens": 1_000, "reasoningTokens": 900},
        chat(10_000, 1_000, reasoning=900),
    ),
    # and three searches, a credit each
    Row(
        "searching",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000, "webSearches": 3},
        "5.8",
        None,
        besides(chat(10_000, 1_000), webSearches=3),
    ),
    # What the provider of a model counts stays as it counts it: 2,000 × 200 + 8,000 × 20 + 1,000 × 800, and a search
    Row(
        "searching, cached",
        "inclusive",
        {"inputTokens": 10_000, "cacheReadTokens": 8_000, "outputTokens": 1_000, "webSearches": 1},
        "2.36",
        None,
        besides(responses(10_000, 1_000, cached=8_000), webSearches=1),
    ),
    # In a batch a search costs what it does elsewhere: 10,000 × 100 + 1,000 × 400, and two searches
    Row(
        "searching, in a batch",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000, "webSearches": 2},
        "3.4",
        None,
        besides(chat(10_000, 1_000), webSearches=2),
        {"processing": "batch"},
    ),
    # 199,999, 200,000 and 200,001 × 200 or 400; 1,000 × 800 or 1,600
    Row(
        "below the band",
        "inclusive",
        {"inputTokens": 199_999, "outputTokens": 1_000},
        "40.7998",
        None,
        chat(199_999, 1_000),
    ),
    Row(
        "at the band",
        "inclusive",
        {"inputTokens": 200_000, "outputTokens": 1_000},
        "40.8",
        None,
        chat(200_000, 1_000),
    ),
    Row(
        "above the band",
        "inclusive",
        {"inputTokens": 200_001, "outputTokens": 1_000},
        "81.6004",
        {"inputTokens": 200_001, "outputTokens": 1_000},
        chat(200_001, 1_000),
    ),
    # What is cached counts to the length of the prompt: 100,001 × 400 + 100,000 × 20
    Row(
        "cached, above the band",
        "inclusive",
        {"inputTokens": 200_001, "cacheReadTokens": 100_000, "outputTokens": 0},
        "42.0004",
        None,
        chat(200_001, 0, cached=100_000),
    ),
    # 10,000 × 100 + 1,000 × 400; and in a batch there is no dearer band
    Row(
        "in a batch",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "1.4",
        None,
        chat(10_000, 1_000),
        {"processing": "batch"},
    ),
    # 10,000 × 150; what comes out has no price of its own with flex: 1,000 × 800
    Row(
        "with flex",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "2.3",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        chat(10_000, 1_000),
        {"service_tier": "flex"},
    ),
    # 10,000 × 350 + 1,000 × 1,400
    Row(
        "with priority",
        "inclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "4.9",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        chat(10_000, 1_000),
        {"service_tier": "priority"},
    ),
    # Its band is its own: 200,001 × 700, and 1,000 × 1,400 as for a short prompt
    Row(
        "with priority, above the band",
        "inclusive",
        {"inputTokens": 200_001, "outputTokens": 1_000},
        "141.4007",
        None,
        chat(200_001, 1_000),
        {"service_tier": "priority"},
    ),
    # 10,000 × 300 + 1,000 × 1,500
    Row(
        "plain",
        "exclusive",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "4.5",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        claude(10_000, 1_000),
    ),
    # 2,000 × 300 + 8,000 × 30 + 1,000 × 1,500
    Row(
        "cached",
        "exclusive",
        {"inputTokens": 10_000, "cacheReadTokens": 8_000, "outputTokens": 1_000},
        "2.34",
        {"inputTokens": 2_000, "cachedInputTokens": 8_000, "outputTokens": 1_000},
        claude(2_000, 1_000, read=8_000),
    ),
    # Five minutes: 2,000 × 300 + 8,000 × 375
    Row(
        "written",
        "exclusive",
        {
            "inputTokens": 10_000,
            "cacheWriteTokens": 8_000,
            "cacheWrite5mTokens": 8_000,
            "outputTokens": 0,
        },
        "3.6",
        {"inputTokens": 2_000, "cacheWriteTokens": 8_000, "outputTokens": 0},
        claude(2_000, 0, short=8_000),
    ),
    # An hour: 2,000 × 300 + 8,000 × 600
    Row(
        "written for an hour",
        "exclusive",
        {
            "inputTokens": 10_000,
            "cacheWriteTokens": 8_000,
            "cacheWrite1hTokens": 8_000,
            "outputTokens": 0,
        },
        "5.4",
        None,
        claude(2_000, 0, hour=8_000),
    ),
    # What is beside its input counts to the length of the prompt too: 100,000 × 300 + 99,999, 100,000 × 30; 100,000 × 600 + 100,001 × 30
    Row(
        "cached, below the band",
        "exclusive",
        {"inputTokens": 199_999, "cacheReadTokens": 99_999, "outputTokens": 0},
        "32.99997",
        {"inputTokens": 100_000, "cachedInputTokens": 99_999, "outputTokens": 0},
        claude(100_000, 0, read=99_999),
    ),
    Row(
        "cached, at the band",
        "exclusive",
        {"inputTokens": 200_000, "cacheReadTokens": 100_000, "outputTokens": 0},
        "33",
        {"inputTokens": 100_000, "cachedInputTokens": 100_000, "outputTokens": 0},
        claude(100_000, 0, read=100_000),
    ),
    Row(
        "cached, above the band",
        "exclusive",
        {"inputTokens": 200_001, "cacheReadTokens": 100_001, "outputTokens": 0},
        "63.00003",
        {"inputTokens": 100_000, "cachedInputTokens": 100_001, "outputTokens": 0},
        claude(100_000, 0, read=100_001),
    ),
    # 1 × 600 + 100,000 × 375, which has no dearer band, + 100,000 × 1,200
    Row(
        "written for both, above the band",
        "exclusive",
        {
            "inputTokens": 200_001,
            "cacheWriteTokens": 200_000,
            "cacheWrite1hTokens": 100_000,
            "outputTokens": 0,
        },
        "157.5006",
        None,
        claude(1, 0, short=100_000, hour=100_000),
    ),
    # 1,000 × 300 + 2,000 × 375 + 3,000 × 600 + 4,000 × 30 + 1,000 × 1,500, and two searches
    Row(
        "everything",
        "exclusive",
        {
            "inputTokens": 10_000,
            "cacheReadTokens": 4_000,
            "cacheWriteTokens": 5_000,
            "cacheWrite1hTokens": 3_000,
            "outputTokens": 1_000,
            "webSearches": 2,
        },
        "6.47",
        None,
        claude(1_000, 1_000, read=4_000, short=2_000, hour=3_000, searches=2),
    ),
    # 2,000 × 150 + 8,000 × 15 + 1,000 × 750
    Row(
        "in a batch",
        "exclusive",
        {"inputTokens": 10_000, "cacheReadTokens": 8_000, "outputTokens": 1_000},
        "1.17",
        None,
        claude(2_000, 1_000, read=8_000),
        {"processing": "batch"},
    ),
    # 10,000 × 30 + 1,000 × 250
    Row(
        "plain",
        "multimodal",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "0.55",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        gemini(10_000, 1_000),
    ),
    # 2,000 × 30 + 8,000 × 3 + 1,000 × 250
    Row(
        "cached",
        "multimodal",
        {"inputTokens": 10_000, "cacheReadTokens": 8_000, "outputTokens": 1_000},
        "0.334",
        {"inputTokens": 10_000, "cachedInputTokens": 8_000, "outputTokens": 1_000},
        gemini(10_000, 1_000, cachedContentTokenCount=8_000),
    ),
    # 10,000 × 15 + 1,000 × 125
    Row(
        "in a batch",
        "multimodal",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        "0.275",
        {"inputTokens": 10_000, "outputTokens": 1_000},
        gemini(10_000, 1_000),
        {"processing": "batch"},
    ),
    # Its thoughts are beside its output: 10,000 × 30 + 1,900 × 250
    Row(
        "thinking",
        "multimodal",
        {"inputTokens": 10_000, "outputTokens": 1_900, "outputReasoningTokens": 900},
        "0.775",
        {"inputTokens": 10_000, "outputTokens": 1_000, "reasoningTokens": 900},
        gemini(10_000, 1_000, thoughtsTokenCount=900),
    ),
    # 4,000 × 30 + 3,000 × 100 + 2,000 × 3 + 1,000 × 10
    Row(
        "heard and cached",
        "multimodal",
        {
            "inputTokens": 10_000,
            "inputAudioTokens": 4_000,
            "cacheReadTokens": 3_000,
            "cacheAudioReadTokens": 1_000,
            "outputTokens": 0,
        },
        "0.436",
        None,
        gemini(
            10_000,
            0,
            cachedContentTokenCount=3_000,
            promptTokensDetails=of("AUDIO", 4_000),
            cacheTokensDetails=of("AUDIO", 1_000),
        ),
    ),
    # 1,000 × 30 + 500 × 1,200 + 100 × 250
    Row(
        "spoken",
        "multimodal",
        {"inputTokens": 1_000, "outputTokens": 600, "outputAudioTokens": 500},
        "0.655",
        None,
        gemini(1_000, 600, candidatesTokensDetails=of("AUDIO", 500)),
    ),
    # 1,000 × 30 + 1,290 × 3,000 + 10 × 250
    Row(
        "a picture",
        "multimodal",
        {"inputTokens": 1_000, "outputTokens": 1_300, "outputImageTokens": 1_290},
        "3.9025",
        None,
        gemini(1_000, 1_300, candidatesTokensDetails=of("IMAGE", 1_290)),
    ),
    # 10,000 × 30 + 1,000 × 250, and three searches, 1.4 credits each
    Row(
        "searching",
        "multimodal",
        {"inputTokens": 10_000, "outputTokens": 1_000, "webSearches": 3},
        "4.75",
        None,
        besides(gemini(10_000, 1_000), webSearches=3),
    ),
    # Its search may be told with the parts that its provider does not tell: 6,000 × 30 + 4,000 × 100, and a search
    Row(
        "searching, heard",
        "multimodal",
        {
            "inputTokens": 10_000,
            "inputAudioTokens": 4_000,
            "outputTokens": 0,
            "webSearches": 1,
        },
        "1.98",
        None,
        besides(gemini(10_000, 0), webSearches=1, inputAudioTokens=4_000),
    ),
    # 1,000 × 200 + 1,000 × 800 + 2,000 × 300, and four searches, half a credit each
    Row(
        "searching",
        "searching",
        {
            "inputTokens": 1_000,
            "outputTokens": 3_000,
            "outputCitationTokens": 2_000,
            "webSearches": 4,
        },
        "3.6",
        None,
        sonar(1_000, 1_000, citations=2_000, searches=4),
    ),
    # 1,000 × 200 + 500 × 800, and two searches
    Row(
        "searching in steps",
        "searching",
        {"inputTokens": 1_000, "outputTokens": 500, "webSearches": 2},
        "1.6",
        None,
        {
            "provider": "perplexity",
            "flavor": "responses",
            "usage": {
                "input_tokens": 1_000,
                "output_tokens": 500,
                "tool_calls_details": {"search_web": {"invocation": 2}},
            },
        },
    ),
    # 2 × 4,000, per thousand
    Row("two pictures", "images", {"outputImages": 2}, "8"),
    # 90.5 × 36, per hour
    Row(
        "a recording",
        "seconds",
        {"audioSeconds": D("90.5")},
        "0.905",
        None,
        {"provider": "openai", "flavor": "live", "usage": {"seconds": D("90.5")}},
    ),
]


def name_of(row: Row) -> str:
    return f"{row.model}-{row.name}"


IDS = [name_of(row) for row in TABLE]


def make(slug: str) -> AIModel:
    """Make a model of the table, not saved."""
    cached, reasoning = FLAGS.get(slug, (True, True))
    return AIModel(
        slug=slug,
        name=slug,
        provider=PROVIDERS.get(slug, "openai"),
        tier="everyday",
        input_includes_cached=cached,
        output_includes_reasoning=reasoning,
    )


def rates_of(model: AIModel) -> list[Rate]:
    steps = {
        step if isinstance(step, tuple) else (step, "", 0): amount
        for step, amount in MODELS[model.slug].items()
    }
    return [
        Rate(
            model=model,
            starts_at=p.SINCE,
            unit=unit,
            variant=variant,
            prompt_tokens_from=start,
            amount=D(amount),
        )
        for (unit, variant, start), amount in steps.items()
    ]


CARDS: dict[str, RateCard] = {slug: rates.card_of(rates_of(make(slug))) for slug in MODELS}


def variant_of(row: Row) -> str:
    return "=".join(next(iter(row.variant.items()))) if row.variant else ""


def by_unit(row: Row) -> Any:
    return completed({BY_NAME[name]: count for name, count in row.usage.items()})


class TestPrices:
    @pytest.mark.parametrize("row", TABLE, ids=IDS)
    def test_are_these(self, row: Row) -> None:
        card, variant = CARDS[row.model], variant_of(row)

        assert price_of(card, by_unit(row), variant=variant, work_is_done=True) == D(row.credits)

    @pytest.mark.parametrize("row", TABLE, ids=IDS)
    def test_are_covered_by_what_is_held(self, row: Row) -> None:
        card, counts = CARDS[row.model], by_unit(row)
        tokens = Tokens(input=counts.get("input_tokens", 0), output=counts.get("output_tokens", 0))
        units = {unit: count for unit, count in counts.items() if unit not in TOKENS}

        assert price(dearest(card, variant_of(row)), tokens, units=units) >= D(row.credits)

    @pytest.mark.parametrize("row", [row for row in TABLE if row.response], ids=name_of)
    def test_are_of_what_the_provider_says(self, row: Row) -> None:
        response = dict(row.response or {})

        units = {BY_NAME[name]: count for name, count in response.pop("units", {}).items()}
        said = counts_of(response.pop("provider"), response.pop("flavor", None), response, units)

        charged = price_of(
            CARDS[row.model], completed(said), variant=variant_of(row), work_is_done=True
        )
        assert charged == D(row.credits)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock")
class TestWays:
    """The same table by every way of telling it."""

    @pytest.fixture
    def backend(self) -> Caller:
        for slug in MODELS:
            model = make(slug)
            model.save()
            Rate.objects.bulk_create(rates_of(model))
        organization: Organization = f.make_organization(funded=10_000)
        return caller_of(organization)

    @pytest.mark.parametrize("way", ["usage", "own", "response"])
    def test_cost_the_same(self, backend: Caller, way: str) -> None:
        rows = [row for row in TABLE if getattr(row, way)]

        results = ok(
            backend.post(
                "/usage/events", {"events": [event(row, way, n) for n, row in enumerate(rows)]}
            )
        )

        for row, result in zip(rows, results["results"], strict=True):
            assert exact(result.get("credits")) == D(row.credits), (row, result)
            assert settled(backend, row, way) == D(row.credits), row
        assert len(rows) > 6


def exact(credits: Any) -> Decimal | None:
    return None if credits is None else D(str(credits))


def done(row: Row, way: str) -> dict[str, Any]:
    """Return what a body says of work that is done."""
    if way == "own":
        said: dict[str, Any] = dict(row.own or {})
    else:
        said = {way: getattr(row, way)}
    return said | ({"variant": row.variant} if row.variant else {})


def event(row: Row, way: str, number: int) -> dict[str, Any]:
    return {"source": "b", "id": str(number), "model": row.model, **done(row, way)}


def settled(backend: Caller, row: Row, way: str) -> Decimal | None:
    """Hold what the work may take, settle it, and return what it cost; the test fails if that is more than was held."""
    counts = by_unit(row)
    units = {NAMES[unit]: count for unit, count in counts.items() if unit not in TOKENS}
    work: dict[str, Any] = {"model": row.model}
    if "input_tokens" in counts:
        work |= {
            "inputTokens": counts["input_tokens"],
            "maxOutputTokens": counts["output_tokens"] + 1,
        }
    if units:
        work["maxUnits"] = units
    if row.variant:
        work["variant"] = row.variant
    held = ok(backend.post("/usage/reservations", work), 201)
    answer = ok(backend.post(f"/usage/reservations/{held['id']}/settle", done(row, way)))
    assert answer["settledCredits"] <= held["credits"], row
    return exact(answer["settledCredits"])


class TestContradictions:
    """A part that is more than its whole: as much is charged as there can be, however it is told."""

    @pytest.mark.parametrize(
        ("model", "tokens", "credits"),
        [
            # Of 1,000 tokens in, 1,001 from the cache.
            ("inclusive", Tokens(1_000, 1_001), "0.02"),
            ("inclusive", Tokens(1_000, 0, 0, 1_000, 1_001), "1"),
            # Beside the input nothing contradicts it.
            ("exclusive", Tokens(1_000, 1_001), "0.33003"),
            ("multimodal", Tokens(1_000, 0, 0, 1_000, 1_001), "0.53025"),
            # Written and read are both among the input: 600 of each, of 1,000.
            ("exclusive", Tokens(0, 600, 600), "0.243"),
        ],
    )
    def test_are_charged_as_far_as_they_can_be_true(
        self, model: str, tokens: Tokens, credits: str
    ) -> None:
        assert price(CARDS[model], tokens, work_is_done=True) == D(credits)

    @pytest.mark.parametrize(
        ("model", "usage", "credits"),
        [
            ("inclusive", {"inputTokens": 1_000, "cacheReadTokens": 1_001}, "0.02"),
            (
                "exclusive",
                {"inputTokens": 1_000, "cacheWriteTokens": 500, "cacheWrite1hTokens": 501},
                "0.45",
            ),
            ("multimodal", {"inputTokens": 0, "outputTokens": 5, "outputImageTokens": 9}, "0.015"),
            ("multimodal", {"inputTokens": 5, "inputAudioTokens": 9}, "0.0005"),
            ("seconds", {"audioSeconds": 60, "inputAudioSeconds": 60.5}, "0.6"),
        ],
    )
    def test_are_charged_so_by_unit(self, model: str, usage: dict[str, Any], credits: str) -> None:
        row = Row("", model, usage, credits)

        assert price_of(CARDS[model], by_unit(row), work_is_done=True) == D(credits)
