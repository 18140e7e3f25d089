"""A cost map of LiteLLM: each of its prices has its place, or is named."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, localcontext
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import pytest
import simplejson
from django.core.management import CommandError, call_command

from tests.factories import at
from usage.models import AIModel, Rate
from usage.pricing import EXACT, RateCard, charged, price_of
from usage.services import cost_map, rates
from usage.units import UNITS, WHOLES

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


def cached(kind: str, count: int) -> dict[str, int]:
    """Return counts of what was read from a cache, or written to it, of something that is no text: `audio_read`."""
    modality, _, way = kind.partition("_")
    wholes = (f"input_{modality}_tokens", f"cache_{way}_tokens", f"cache_{kind}_tokens")
    return dict.fromkeys(wholes, count)


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
    ("cache-audio", "", {"input_tokens": MILLION, **cached("audio_read", MILLION)}, "0.4"),
    ("cache-audio", "", {"input_tokens": MILLION, **cached("audio_write", MILLION)}, "5"),
    ("cache-audio-otherwise", "", {"input_tokens": 10, **cached("audio_read", 10)}, "0.000003"),
    ("cache-audio-third", "", {"input_tokens": 10, **cached("audio_read", 10)}, "0.000002"),
    ("cache-image", "", {"input_tokens": 10, **cached("image_read", 10)}, "0.00002"),
    ("cache-image", "", {"input_tokens": 20, "input_image_tokens": 10}, "0.00013"),
    ("cache-explicit", "", {"input_tokens": MILLION, "cache_read_tokens": MILLION}, "0.04"),
    ("cache-hour-batch", "processing=batch", {"input_tokens": MILLION}, "1.5"),
    ("cache-hour-batch", "processing=batch", {"output_tokens": MILLION}, "7.5"),
    (
        "cache-hour-batch",
        "",
        {"input_tokens": LONG, "cache_write_tokens": LONG, "cache_write_1h_tokens": LONG},
        "2.400012",
    ),
    ("by-each-second", "", {"audio_seconds": 50, "input_audio_seconds": 50}, "0.01"),
    ("spoken-seconds", "", {"audio_seconds": 50, "output_audio_seconds": 50}, "0.025"),
    # Of the machine's seconds the dearer price.
    ("computed", "", {"compute_seconds": 10}, "0.003"),
    ("computed-embedding", "", {"compute_seconds": 10}, "0.002"),
    ("computed-chat", "", {"compute_seconds": 10}, "0.002"),
    ("gemini-old", "", {"input_characters": 0, "output_characters": MILLION}, "0.075"),
    ("gemini-priority", "service_tier=priority", {"output_tokens": MILLION}, "21.6"),
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


_FIELD = re.compile(
    r"(?P<base>.+?)(?:_above_(?P<thousand>\d+)k_tokens)?(?P<suffix>_batches|_flex|_priority|_ultrafast|_balanced)?"
)
Place = tuple[str, str, int]
"""Which price: of which unit, of which variant, for prompts from which length on."""


def named_in(entry: dict[str, Any]) -> Iterator[tuple[str, Place, Decimal]]:
    """Yield what an entry of the map says field by field, read anew: what it is called, which price it is, and the dollars."""
    for name, value in entry.items():
        found = _FIELD.fullmatch(name)
        unit = cost_map.FIELDS.get(found["base"]) if found else None
        if found and unit and isinstance(value, int | Decimal) and value >= 0:
            unit = cost_map.OF_MODES.get((entry.get("mode", ""), unit), unit)
            start = int(found["thousand"]) * 1_000 + 1 if found["thousand"] else 0
            variant = cost_map.SUFFIXES.get(found["suffix"], "")
            yield found["base"], (unit, variant, start), Decimal(value)


def exactly(card: RateCard, variant: str, counts: dict[str, int]) -> Decimal:
    """Return what work costs in dollars, not rounded."""
    lines = charged(card.sheet(variant), counts, work_is_done=True)
    with localcontext(EXACT):
        return sum((share * amount / UNITS[unit].per for unit, share, amount in lines), D(0)) / 100


class TestEachPrice:
    """Each price of the map by itself: what so much of it costs is what the map says for one, so many times."""

    ENTRIES: ClassVar[Any] = simplejson.loads(MAP.read_text(), use_decimal=True)

    def test_is_charged_as_the_map_says(self, cards: dict[str, RateCard]) -> None:
        compared = 0
        # How large a picture is no usage says, so another price counts; and a request is one.
        for slug in cards.keys() - {"image-sizes", "by-request"}:
            card = cards[slug]
            said: dict[Place, Decimal] = {}
            for _, place, dollars in named_in(self.ENTRIES[slug]):
                said[place] = max(dollars, said.get(place, dollars))
            for (unit, variant, start), dollars in said.items():
                prompt = {"input_tokens": start} if start else {}
                count = max(start, 1_000)
                work = prompt | dict.fromkeys({unit} | WHOLES[unit], count)
                beside = {} if "input_tokens" in ({unit} | WHOLES[unit]) else prompt

                cost = exactly(card, variant, work) - exactly(card, variant, beside)

                assert cost == count * dollars, (slug, unit, variant, start)
                compared += 1
        assert compared > 120

    def test_is_of_every_kind_that_we_know(self) -> None:
        fields = [each for entry in self.ENTRIES.values() for each in named_in(entry)]
        entries = [entry for entry in self.ENTRIES.values() if cost_map.TIERED in entry]

        assert {base for base, *_ in fields} == cost_map.FIELDS.keys()
        assert {variant for _, (_, variant, _), _ in fields} == {"", *cost_map.SUFFIXES.values()}
        assert {start for _, (_, _, start), _ in fields} >= {0, 128_001, 200_001, 272_001}
        assert {cost_map.FIELDS[base] for base, *_ in fields} <= UNITS.keys()
        assert entries


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

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            (
                '"input_cost_per_token": 1e300',
                "input_cost_per_token: 1E+300 is more than a price may be",
            ),
            (
                '"input_cost_per_token": 1e9999999',
                "input_cost_per_token: 1E+9999999 is more than a price may be",
            ),
            (
                '"input_cost_per_token": 1e12',
                "input_cost_per_token: 100000000000000000000 credits are more than a price may be",
            ),
            ('"input_cost_per_token": true', "input_cost_per_token: True is not a number"),
            ('"input_cost_per_token": "1"', "input_cost_per_token: 1 is not a number"),
            ('"input_cost_per_token": [1]', "input_cost_per_token: [1] is not a number"),
            (
                '"input_cost_per_token_above_9999999999k_tokens": 1',
                "input_cost_per_token_above_9999999999k_tokens: no prompt is as long",
            ),
            *(
                (
                    f'"tiered_pricing": [{{"range": {span}, "input_cost_per_token": 1}}]',
                    "tiered_pricing cost: a price that has no unit here",
                )
                for span in ("5", "[true]", '["1"]', "[-1]", "[1e99]", "{}")
            ),
        ],
    )
    def test_is_whatever_cannot_be_a_price(self, tmp_path: Path, said: str, why: str) -> None:
        file = tmp_path / "map.json"
        file.write_text(
            f'{{"a": {{"litellm_provider": "acme", "output_cost_per_token": 1e9999, {said}}}}}'
        )

        left_out = cost_map.read(file, since=DAY, credit_usd=CENT).left_out

        assert f"a: {why}" in left_out
        assert left_out[-1] == "a: it has no price"

    @pytest.mark.parametrize(
        ("slug", "provider", "why"),
        [
            ("", '"acme"', ": a name of 1 to 80 characters that can be printed is expected"),
            ("a" * 81, '"acme"', f"{'a' * 81}: a name of 1 to 80"),
            ("a\\u0000", '"acme"', "a\\x00: a name of 1 to 80"),
            ("a\\ud800", '"acme"', "a\\ud800: a name of 1 to 80"),
            ("a", '""', "a: a provider of 1 to 40 characters that can be printed is expected"),
            ("a", "null", "a: a provider of 1 to 40"),
            ("a", "5", "a: a provider of 1 to 40"),
            ("a", '"\\n"', "a: a provider of 1 to 40"),
        ],
    )
    def test_is_what_has_no_name(self, tmp_path: Path, slug: str, provider: str, why: str) -> None:
        file = tmp_path / "map.json"
        file.write_text(
            f'{{"{slug}": {{"litellm_provider": {provider}, "input_cost_per_token": 1e-6}}}}'
        )

        found = cost_map.read(file, since=DAY, credit_usd=CENT)

        assert not found.models
        (said,) = found.left_out
        assert said.startswith(why)


@pytest.mark.django_db(transaction=True)
class TestLoad:
    def test_shows_what_changes_and_nothing_the_second_time(self) -> None:
        first, again = StringIO(), StringIO()
        arguments = ["load_rate_card", str(MAP), "--yes", "--from", "2026-05-10"]

        call_command(*arguments, stdout=first)
        call_command(*arguments, stdout=again)

        assert AIModel.objects.count() == 59
        assert "left out: no-price: it has no price" in first.getvalue()
        assert "nothing to change" in again.getvalue()
        claude = Rate.objects.get(model="claude", unit="cache_write_1h_tokens")
        assert claude.amount == 600

    @pytest.mark.parametrize(
        ("of", "slugs"),
        [
            (
                ["--provider", "anthropic"],
                ["cache-hour-batch", "claude", "claude-long", "claude-search"],
            ),
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
