"""What providers say of what was used, as they say it: read by the extractors of the public list, once, whatever counts its caches how."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_UP, Decimal
from random import Random
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import ArrayMatch, Provider, UsageExtractor

from usage.counts import NAMES, missing_whole
from usage.models import Rate
from usage.responses import Unreadable, counts_of
from usage.serializers.telling import BESIDE
from usage.services import price_list, rates
from usage.services.served import NoPrice, Served
from usage.units import FRACTIONAL, UNITS

D = Decimal
DAY = date(2026, 5, 10)
CENT = Decimal("0.01")
OPENAI_CHAT = {
    "prompt_tokens": 1_000,
    "completion_tokens": 300,
    "total_tokens": 1_300,
    "prompt_tokens_details": {"cached_tokens": 800, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 200,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
    },
}
OPENAI_RESPONSES = {
    "input_tokens": 1_000,
    "input_tokens_details": {"cached_tokens": 800},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 200},
    "total_tokens": 1_300,
}
ANTHROPIC = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 800,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
    "output_tokens": 300,
    "server_tool_use": {"web_search_requests": 2},
    "service_tier": "standard",
}
GOOGLE = {
    "promptTokenCount": 1_000,
    "cachedContentTokenCount": 800,
    "candidatesTokenCount": 100,
    "thoughtsTokenCount": 200,
    "totalTokenCount": 1_300,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 600},
        {"modality": "AUDIO", "tokenCount": 400},
    ],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 800}],
}
OPENAI = {
    "input_tokens": 1_000,
    "cache_read_tokens": 800,
    "output_tokens": 300,
    "output_reasoning_tokens": 200,
}


def some(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {unit: count for unit, count in counts.items() if count}


class TestGoldenAnswers:
    @pytest.mark.parametrize(
        ("provider", "flavor", "usage", "counts"),
        [
            ("openai", "chat", OPENAI_CHAT, OPENAI),
            ("openai", "responses", OPENAI_RESPONSES, OPENAI),
            ("azure", "chat", OPENAI_CHAT, OPENAI),
            (
                "anthropic",
                None,
                ANTHROPIC,
                {
                    "input_tokens": 1_000,
                    "cache_write_tokens": 100,
                    "cache_write_5m_tokens": 60,
                    "cache_write_1h_tokens": 40,
                    "cache_read_tokens": 800,
                    "output_tokens": 300,
                    "web_searches": 2,
                },
            ),
            (
                "google",
                None,
                GOOGLE,
                {
                    "input_tokens": 1_000,
                    "input_text_tokens": 600,
                    "input_audio_tokens": 400,
                    "cache_read_tokens": 800,
                    "cache_text_read_tokens": 800,
                    "output_tokens": 300,
                    "output_reasoning_tokens": 200,
                },
            ),
            (
                "openai",
                "live",
                {"seconds": D("9.470000267028809")},
                {"audio_seconds": D("9.470001")},
            ),
            (
                "cohere",
                None,
                {"input_tokens": D("12.0"), "output_tokens": 3},
                {"input_tokens": 12, "output_tokens": 3},
            ),
            (
                "mistral",
                "ocr",
                {"pages_processed": 3, "doc_size_bytes": 9},
                {"input_document_pages": 3},
            ),
        ],
    )
    def test_are_counted_as_the_list_counts(
        self, provider: str, flavor: str | None, usage: Any, counts: Any
    ) -> None:
        assert some(counts_of(provider, flavor, {"usage": usage})) == counts

    @pytest.mark.parametrize(
        "answer",
        [
            {"usage": GOOGLE},
            {"usageMetadata": GOOGLE, "modelVersion": "gemini-3.6-flash"},
            {"usage": {"usageMetadata": GOOGLE, "candidates": []}},
        ],
    )
    def test_may_be_the_whole_answer(self, answer: Any) -> None:
        alone = counts_of("google", "default", {"usage": GOOGLE})

        assert counts_of("google", "default", answer) == alone

    def test_may_be_the_whole_answer_of_who_says_usage_too(self) -> None:
        whole = {"id": "msg_1", "model": "claude", "usage": ANTHROPIC}

        alone = counts_of("anthropic", None, {"usage": ANTHROPIC})
        assert counts_of("anthropic", None, whole) == alone
        assert counts_of("anthropic", None, {"usage": whole}) == alone


class TestUnits:
    """What a provider does not count, told beside its answer."""

    @pytest.mark.parametrize(
        ("provider", "flavor", "usage", "units"),
        [
            ("openai", "chat", OPENAI_CHAT, {"web_searches": 2}),
            ("openai", "responses", OPENAI_RESPONSES, {"code_executions": 1, "web_searches": 2}),
            ("google", None, GOOGLE, {"web_searches": 2}),
            ("openai", "live", {"seconds": 9}, {"output_images": 1}),
            # A part of what it counts.
            ("openai", "responses", OPENAI_RESPONSES, {"input_audio_tokens": 1}),
        ],
    )
    def test_are_counted_besides(
        self, provider: str, flavor: str | None, usage: Any, units: Any
    ) -> None:
        alone = counts_of(provider, flavor, {"usage": usage})

        assert counts_of(provider, flavor, {"usage": usage}, units) == {**alone, **units}

    def test_are_refused_where_the_answer_counts_them(self) -> None:
        """Of every flavor every unit that it counts, and be it nothing of it."""
        refused = 0
        for provider, extractor in flavors():
            body = made_up(extractor, Random(7))
            for unit in counts_of(provider.id, extractor.api_flavor, body):
                with pytest.raises(Unreadable, match=f"The answer counts {NAMES[unit]} itself"):
                    counts_of(provider.id, extractor.api_flavor, body, {unit: 1})
                refused += 1
        assert refused > 400

    def test_may_be_of_what_the_answer_could_count_and_does_not(self) -> None:
        usage = {name: count for name, count in ANTHROPIC.items() if name != "server_tool_use"}

        counts = counts_of("anthropic", None, {"usage": usage}, {"web_searches": 2})

        assert counts == counts_of("anthropic", None, {"usage": ANTHROPIC})

    def test_may_be_the_whole_of_what_it_counts(self) -> None:
        usage = {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}]}

        counts = counts_of("google", None, {"usage": usage}, {"input_tokens": 9})

        assert counts == {"input_audio_tokens": 5, "input_tokens": 9}

    def test_need_the_wholes_of_their_parts(self) -> None:
        with pytest.raises(Unreadable, match="It says cacheReadTokens and no inputTokens") as error:
            counts_of("openai", "live", {"usage": {"seconds": 9}}, {"cache_read_tokens": 1})

        assert error.value.field == "units"

    def test_are_no_field_of_any_answer(self) -> None:
        """What is said beside a whole answer hides nothing that an extractor reads."""
        for _, extractor in flavors():
            root = [extractor.root] if isinstance(extractor.root, str) else extractor.root
            assert root[0] not in BESIDE


def flavors() -> Iterator[tuple[Provider, UsageExtractor]]:
    for provider in providers:
        for extractor in provider.extractors or ():
            yield provider, extractor


def put(body: dict[str, Any], path: Any, value: Any) -> None:
    """Put a value where a path of an extractor leads, and make the way there."""
    steps = [path] if isinstance(path, str) else list(path)
    at: Any = body
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, ArrayMatch):
            wanted = step.match.equals  # type: ignore[union-attr]
            found = next((each for each in at if each[step.field] == wanted), None)
            if found is None:
                at.append(found := {step.field: wanted})
            at = found
        elif following is None:
            at[step] = value
        else:
            at = at.setdefault(step, [] if isinstance(following, ArrayMatch) else {})


def made_up(extractor: UsageExtractor, random: Random) -> dict[str, Any]:
    """Return an answer that says all that an extractor reads."""
    usage: dict[str, Any] = {"total": 1, "details": None}
    for mapping in extractor.mappings:
        put(usage, mapping.path, random.randrange(1, 1_000))
    body: dict[str, Any] = {"model": "a"}
    put(body, extractor.root, usage)
    return body


class TestEveryFlavor:
    def test_is_read_as_the_list_reads_it(self) -> None:
        random, seen = Random(7), 0
        for provider, extractor in flavors():
            body = made_up(extractor, random)
            _, used = extractor.extract(body)

            counts = counts_of(provider.id, extractor.api_flavor, {"usage": body})

            assert counts == vars(used), (provider.id, extractor.api_flavor)
            assert missing_whole(counts) is None
            assert set(counts) <= set(UNITS)
            seen += 1
        assert seen > 90

    @pytest.mark.parametrize("wrong", ["5", True, -1, [], {}, 10**9 + 1])
    def test_refuses_what_is_no_count_wherever_it_stands(self, wrong: Any) -> None:
        for provider, extractor in flavors():
            for mapping in extractor.mappings:
                body = made_up(extractor, Random(7))
                root = [extractor.root] if isinstance(extractor.root, str) else extractor.root
                usage = body
                for step in root:
                    usage = usage[str(step)]
                put(usage, mapping.path, wrong)

                with pytest.raises(Unreadable) as refused:
                    counts_of(provider.id, extractor.api_flavor, body)

                last = mapping.path if isinstance(mapping.path, str) else mapping.path[-1]
                assert refused.value.field.endswith(str(last))

    def test_refuses_parts_of_what_is_whole(self) -> None:
        for provider, extractor in flavors():
            body = made_up(extractor, Random(7))
            whole = [each for each in extractor.mappings if each.dest not in FRACTIONAL]
            for mapping in whole[:1]:
                root = [extractor.root] if isinstance(extractor.root, str) else extractor.root
                usage = body
                for step in root:
                    usage = usage[str(step)]
                put(usage, mapping.path, D("1.5"))

                with pytest.raises(Unreadable, match="whole number"):
                    counts_of(provider.id, extractor.api_flavor, body)


class TestPrices:
    def test_of_what_is_said_are_the_lists_own(self) -> None:
        """What the list itself says an answer costs, in credits, for some models of every provider that has extractors."""
        random, compared = Random(7), 0
        listed = price_list.read(since=DAY, credit_usd=CENT)
        cards: dict[str, list[Rate]] = {rate.model_id: [] for rate in listed.rates}
        for rate in listed.rates:
            if f"{rate.starts_at:%Y-%m-%d}" == str(DAY):
                cards[rate.model_id].append(rate)
        moment = datetime(2026, 5, 10, 12, tzinfo=UTC)
        for provider, extractor in flavors():
            infos = [
                each for each in provider.models if cards.get(price_list.slug_of(provider, each))
            ]
            for info in random.sample(infos, min(12, len(infos))):
                body = likely(extractor, random)
                _, used = extractor.extract(body)
                card = rates.card_of(cards[price_list.slug_of(provider, info)]).at(moment)
                try:
                    expected = info.calc_price(used, provider, genai_request_timestamp=moment)
                    charged, _ = Served("m", card, moment).charge(
                        None, counts_of(provider.id, extractor.api_flavor, body)
                    )
                except (
                    ValueError,
                    NoPrice,
                ):  # of what overlaps it wants to be told more; and we, what costs nothing there
                    continue
                cents = (expected.total_price * 100).quantize(D("1e-22"))
                assert charged == cents.quantize(D("0.000001"), rounding=ROUND_UP), (info.id, body)
                compared += 1
        assert compared > 400


def likely(extractor: UsageExtractor, random: Random) -> dict[str, Any]:
    """Return an answer whose parts are within their wholes."""
    usage: dict[str, Any] = {}
    for mapping in extractor.mappings:
        is_whole = mapping.dest in ("input_tokens", "output_tokens")
        put(
            usage,
            mapping.path,
            random.randrange(5_000, 90_000) if is_whole else random.randrange(99),
        )
    body: dict[str, Any] = {}
    put(body, extractor.root, usage)
    return body


class TestRefusals:
    @pytest.mark.parametrize(
        ("provider", "flavor", "answer", "field", "sentence"),
        [
            ("nobody", None, {"usage": {}}, "provider", "Nothing is known of its answers"),
            ("openai", None, {"usage": OPENAI_CHAT}, "flavor", "One of chat, responses, "),
            ("openai", "completions", {"usage": OPENAI_CHAT}, "flavor", "One of chat"),
            ("anthropic", None, {}, "usage", "An object"),
            ("anthropic", None, {"usage": None}, "usage", "An object"),
            ("anthropic", None, {"usage": [1]}, "usage", "An object"),
            ("anthropic", None, {"usage": {}}, "usage.input_tokens", "A number"),
            ("anthropic", None, {"usage": OPENAI_CHAT}, "usage.input_tokens", "A number"),
            ("google", None, {"usage": {}}, "usageMetadata", "No usage information"),
            (
                "google",
                None,
                {"usage": {"promptTokenCount": 1, "promptTokensDetails": {"a": 1}}},
                "usageMetadata.promptTokensDetails",
                "A list is expected.",
            ),
            (
                "openai",
                "chat",
                {"usage": OPENAI_CHAT | {"prompt_tokens_details": 5}},
                "usage.prompt_tokens_details",
                "An object is expected.",
            ),
            (
                "google",
                None,
                {"usage": {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]}},
                "usage",
                "It says inputAudioTokens and no inputTokens",
            ),
        ],
    )
    def test_name_the_field(
        self, provider: str, flavor: str | None, answer: Any, field: str, sentence: str
    ) -> None:
        with pytest.raises(Unreadable, match=sentence) as refused:
            counts_of(provider, flavor, answer)

        assert refused.value.field == field

    def test_leave_no_modality_that_is_no_text_unread(self) -> None:
        details = [{"modality": 5, "tokenCount": 1}]

        with pytest.raises(Unreadable):
            counts_of("google", None, {"usage": GOOGLE | {"promptTokensDetails": details}})
