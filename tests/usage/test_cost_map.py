"""A cost map of LiteLLM: each of its prices has its place, or is named."""

from datetime import date
from decimal import Decimal
from io import StringIO
from itertools import groupby
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories import at
from usage.models import AIModel, Rate
from usage.pricing import RateCard, price_of
from usage.services import cost_map, rates

D = Decimal
MAP = Path(__file__).parent / "data" / "cost_map.json"
DAY = date(2026, 5, 10)
CENT = Decimal("0.01")
MILLION = 1_000_000
LONG = 200_001


@pytest.fixture(scope="module")
def cards() -> dict[str, RateCard]:
    found = cost_map.read(MAP, since=DAY, credit_usd=CENT).rates
    return {
        slug: rates.card_of(list(of_model))
        for slug, of_model in groupby(found, key=lambda rate: rate.model_id)
    }


# What a usage costs in US dollars by the map: each line computed by hand.
CHARGES: list[tuple[str, str, dict[str, int], str]] = [
    ("gpt-chat", "", {"input_tokens": MILLION, "output_tokens": MILLION}, "12.5"),
    ("gpt-chat", "", {"input_tokens": MILLION, "cache_read_tokens": MILLION}, "1.25"),
    ("gpt-batch", "processing=batch", {"input_tokens": MILLION, "output_tokens": MILLION}, "6.25"),
    ("gpt-tiers", "service_tier=flex", {"input_tokens": MILLION, "output_tokens": 0}, "0.625"),
    ("gpt-tiers", "service_tier=priority", {"input_tokens": 0, "output_tokens": MILLION}, "20"),
    (
        "gpt-tiers",
        "service_tier=priority",
        {"input_tokens": MILLION, "cache_read_tokens": MILLION},
        "0.25",
    ),
    ("gpt-audio", "", {"input_tokens": MILLION, "input_audio_tokens": MILLION}, "40"),
    ("gpt-audio", "", {"output_tokens": MILLION, "output_audio_tokens": MILLION // 2}, "45"),
    # Audio from a cache has no price in the map: it costs the dearer of what it is.
    (
        "gpt-realtime",
        "",
        {
            "input_tokens": MILLION,
            "input_audio_tokens": MILLION,
            "cache_read_tokens": MILLION,
            "cache_audio_read_tokens": MILLION,
        },
        "32",
    ),
    ("gpt-image", "", {"output_tokens": 1_000, "output_image_tokens": 1_000}, "0.04"),
    ("gpt-image", "", {"input_tokens": 1_000, "input_image_tokens": 1_000}, "0.01"),
    ("dall-e", "", {"output_images": 3}, "0.12"),
    ("dall-e-pixels", "", {"input_pixels": 1024 * 1024}, "0.0399999279"),
    ("whisper", "", {"audio_seconds": 90, "input_audio_seconds": 90}, "0.009"),
    ("tts", "", {"input_characters": 1_000}, "0.015"),
    ("speech", "", {"output_tokens": 500, "output_audio_tokens": 500}, "0.01"),
    ("sora", "", {"output_video_seconds": 8}, "0.8"),
    ("veo", "", {"output_video_seconds": 8}, "2.8"),
    ("embedding-small", "", {"input_tokens": MILLION, "output_tokens": 5}, "0.02"),
    ("embedding-only", "", {"input_tokens": MILLION}, "0.12"),
    ("embedding-images", "", {"input_images": 7, "input_video_seconds": 60}, "0.0307"),
    ("rerank", "", {"rerank_searches": 2}, "0.004"),
    ("ocr", "", {"input_document_pages": 10}, "0.01"),
    ("ocr", "", {"input_document_pages": 10, "input_annotated_document_pages": 10}, "0.03"),
    ("claude", "", {"input_tokens": MILLION, "cache_write_tokens": MILLION}, "3.75"),
    (
        "claude",
        "",
        {
            "input_tokens": MILLION,
            "cache_write_tokens": MILLION,
            "cache_write_1h_tokens": MILLION,
        },
        "6",
    ),
    ("claude-long", "", {"input_tokens": LONG - 1, "output_tokens": 1_000}, "0.615"),
    ("claude-long", "", {"input_tokens": LONG, "output_tokens": 1_000}, "1.222506"),
    ("claude-long", "", {"input_tokens": LONG, "cache_read_tokens": LONG}, "0.1200006"),
    ("claude-search", "", {"web_searches": 3}, "0.03"),
    # The map prices a search by how much it finds, which no usage says: the most.
    ("sonar", "", {"web_searches": 1}, "0.012"),
    (
        "sonar-reasoning",
        "",
        {"output_tokens": MILLION, "output_reasoning_tokens": MILLION // 2},
        "5.5",
    ),
    (
        "sonar-reasoning",
        "",
        {"output_tokens": MILLION, "output_citation_tokens": MILLION},
        "2",
    ),
    ("gemini-pro", "", {"input_tokens": LONG, "output_tokens": 1}, "0.5000175"),
    ("gemini-flash", "", {"input_tokens": 1_000, "input_audio_tokens": 1_000}, "0.001"),
    ("gemini-flash-image", "", {"output_tokens": 1_290, "output_image_tokens": 1_290}, "0.0387"),
    ("gemini-priority", "service_tier=priority", {"input_tokens": LONG}, "1.4400072"),
    ("gemini-priority", "service_tier=priority", {"input_tokens": LONG - 1}, "0.72"),
    ("gemini-old", "", {"input_tokens": 128_001}, "0.128001"),
    ("gemini-old", "", {"input_characters": MILLION}, "0.01875"),
    ("qwen", "", {"input_tokens": MILLION, "output_tokens": 1}, "0.400004"),
    ("command", "", {"input_tokens": 4, "output_tokens": 1}, "0.00002"),
    ("deepseek", "", {"input_tokens": MILLION, "cache_read_tokens": 500_000}, "0.17"),
    ("free", "", {"input_tokens": MILLION, "output_tokens": MILLION}, "0"),
    ("by-request", "", {"input_tokens": 1_000, "output_tokens": 0}, "0.006"),
    ("by-the-second", "", {"compute_seconds": 10}, "0.0042"),
    ("titan-image", "", {"output_images": 1}, "0.008"),
    ("nova-sonic", "", {"input_tokens": MILLION, "input_audio_tokens": MILLION}, "3.4"),
    ("interpreter", "", {"code_executions": 1}, "0.03"),
    # Its tiers are bands: all of a prompt of 256,001 tokens is of the second.
    ("by-tiers", "", {"input_tokens": 256_000, "output_tokens": 1_000}, "0.0132"),
    ("by-tiers", "", {"input_tokens": 256_001, "output_tokens": 1_000}, "0.06600025"),
    ("rerank-tiers", "", {"rerank_searches": 3}, "0.006"),
    (
        "ultrafast",
        "service_tier=ultrafast",
        {"input_tokens": 272_000, "output_tokens": 1},
        "1.632004",
    ),
    ("ultrafast", "service_tier=ultrafast", {"input_tokens": 272_001}, "3.264012"),
    (
        "ultrafast",
        "service_tier=balanced",
        {"input_tokens": 1, "output_tokens": MILLION},
        "3.000001",
    ),
    # How large a picture is no usage says: the most.
    ("video-sizes", "", {"output_video_seconds": 8}, "3.2"),
    ("image-sizes", "", {"output_images": 2}, "0.1"),
    ("video-tokens", "", {"input_tokens": 1_000, "input_video_tokens": 1_000}, "0.003"),
    ("video-tokens", "", {"output_tokens": 1_000, "output_video_tokens": 900}, "0.0047"),
    ("voice", "", {"input_audio_seconds": 60, "input_text_messages": 2}, "0.068"),
    ("cache-hit", "", {"input_tokens": MILLION, "cache_read_tokens": MILLION}, "0.006"),
    ("no-tiers", "", {"input_tokens": MILLION}, "1"),
    ("float-price", "", {"input_tokens": 3 * MILLION}, "0.25000000000000002"),
]


class TestCharges:
    @pytest.mark.parametrize(("slug", "variant", "counts", "dollars"), CHARGES)
    def test_are_those_of_the_map(
        self,
        cards: dict[str, RateCard],
        slug: str,
        variant: str,
        counts: dict[str, int],
        dollars: str,
    ) -> None:
        charged = price_of(cards[slug], counts, variant=variant, work_is_done=True)

        assert charged == (D(dollars) * 100).quantize(D("0.000001"), rounding="ROUND_UP")

    def test_are_compared_for_every_model(self, cards: dict[str, RateCard]) -> None:
        assert {slug for slug, *_ in CHARGES} | {"no-unit"} == set(cards)


class TestLeftOut:
    def test_is_named_with_why(self) -> None:
        assert cost_map.read(MAP, since=DAY, credit_usd=CENT).left_out == [
            "cache-hit: off_peak_pricing: hours of weekdays, so its other price counts",
            "no-tiers: tiered_pricing cost: a price that has no unit here",
            "no-price: it has no price",
            "no-unit: training_cost_per_hour: a price that has no unit here",
            "negative: input_cost_per_token: -0.000001 is not 0 or more",
            "negative: output_tokens without any price of what goes in",
        ]


@pytest.mark.django_db(transaction=True)
class TestLoad:
    def test_shows_what_changes_and_nothing_the_second_time(self) -> None:
        first, again = StringIO(), StringIO()
        arguments = ["load_rate_card", str(MAP), "--yes", "--from", "2026-05-10"]

        call_command(*arguments, stdout=first)
        call_command(*arguments, stdout=again)

        assert AIModel.objects.count() == 48
        assert "left out: no-price: it has no price" in first.getvalue()
        assert "nothing to change" in again.getvalue()
        claude = Rate.objects.get(model="claude", unit="cache_write_1h_tokens")
        assert claude.amount == 600

    @pytest.mark.parametrize(
        ("of", "slugs"),
        [
            (["--provider", "anthropic"], ["claude", "claude-long", "claude-search"]),
            (["--only", "whisper", "ocr"], ["ocr", "whisper"]),
            (["--only", "whisper", "--dry-run"], []),
        ],
    )
    def test_takes_some_of_it(self, of: list[str], slugs: list[str]) -> None:
        call_command("load_rate_card", str(MAP), "--yes", *of, stdout=StringIO())

        assert sorted(AIModel.objects.values_list("slug", flat=True)) == slugs

    def test_retires_on_the_day_that_a_map_names_or_now(self, tmp_path: Path) -> None:
        price = '"litellm_provider": "acme", "input_cost_per_token": 0.000001'
        days = {"a": "2099-01-01", "b": "2020-01-01", "c": "soon"}
        entries = (
            f'"{slug}": {{{price}, "deprecation_date": "{day}"}}' for slug, day in days.items()
        )
        file = tmp_path / "map.json"
        file.write_text(f'{{{", ".join(entries)}, "d": {{{price}}}}}')

        call_command("load_rate_card", str(file), "--yes", "--retire", stdout=StringIO())

        retired = dict(AIModel.objects.values_list("slug", "retired_at"))
        assert retired["a"] == at("2099-01-01")
        now = retired["b"]
        assert now is not None
        assert now == retired["c"]
        assert now < at("2099-01-01")
        assert retired["d"] is None

    @pytest.mark.parametrize("text", ["", "[]", '{"a": 1}'])
    def test_refuses_what_is_no_map(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "map.json"
        file.write_text(text)

        with pytest.raises(CommandError, match=r"map\.json"):
            call_command("load_rate_card", str(file), "--yes", stdout=StringIO())
