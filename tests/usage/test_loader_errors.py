"""What the loader of prices refuses, each sentence as docs/prices.md quotes it: the page and the loader say the same, or this fails."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.usage import people as p
from usage.models import AIModel, Rate

PAGE = (Path(__file__).parents[2] / "docs" / "prices.md").read_text()

CARD = """
[[models]]
id = "small"
name = "Small"
provider = "acme"
tier = "everyday"

[[models.rates]]
starts_on = 2026-01-01
input_tokens = 1.5
output_tokens = 3
"""
MODEL, RATE = "model small (line 2): ", "model small, rate of 2026-01-01 (line 8): "
PRICES = "input_tokens = 1.5\noutput_tokens = 3\n"
ID, IN, OUT = 'id = "small"', "input_tokens = 1.5", "output_tokens = 3"
SECONDS = "at_least = { audio_seconds = 10 }\naudio_seconds = 36"
AGAIN = "[[models.rates]]\nstarts_on = 2026-01-01\n"
FALLBACK = "is_fallback = true\ntier ="
Edit = tuple[str, str]

# What is changed of the card, or comes after it, and what is said of that.
REFUSED: list[tuple[Sequence[Edit], str, str]] = [
    ([(IN, "input_tokens = -1")], "", RATE + "input_tokens is a number, 0 or more"),
    ([(IN, 'input_tokens = "1.5"')], "", RATE + "input_tokens is a number, 0 or more"),
    ([(IN, "input_tokens = nan")], "", RATE + "input_tokens is a number, 0 or more"),
    ([(IN, "input_tokens = true")], "", RATE + "input_tokens is a number, 0 or more"),
    ([(IN, "input_tokens = 1e13")], "", RATE + "input_tokens is too large"),
    (
        [(IN, f"input_tokens = 0.{'0' * 20}1")],
        "",
        RATE + "input_tokens has more than twenty decimal places",
    ),
    ([(IN, f"{IN}\nper_unit = 2")], "", RATE + "unknown per_unit"),
    ([(IN, f"{IN}\ninput_includes_cached = true")], "", RATE + "unknown input_includes_cached"),
    (
        [("2026-01-01", '"soon"')],
        "",
        "model small, rate of soon (line 8): starts_on is a date, like 2026-10-07",
    ),
    (
        [(IN, f"{IN}\nprompt_tokens_from = -1")],
        "",
        RATE + "prompt_tokens_from is a whole number",
    ),
    (
        [(IN, f"{IN}\nprompt_tokens_from = 3_000_000_000")],
        "",
        RATE + "prompt_tokens_from: Ensure this value is less than or equal to 2147483647.",
    ),
    ([(IN, f"{IN}\nvariant = 5")], "", RATE + "variant is a text"),
    (
        [(IN, f'{IN}\nhours = "noon"')],
        "",
        RATE + "hours: noon: hours are written like 16:30-00:30, in UTC",
    ),
    (
        [(IN, f"{IN}\nat_least = 10")],
        "",
        RATE + "at_least is a table of units and whole numbers",
    ),
    ([(PRICES, "")], "", RATE + "it prices nothing"),
    (
        [],
        f"{AGAIN}prompt_tokens_from = 0\noutput_tokens = 9",
        "model small, rate of 2026-01-01 (line 12): output_tokens has a price of this date and band already",
    ),
    (
        [(PRICES, "cache_write_tokens = 1")],
        "",
        RATE + "cache_write_tokens without input_tokens, of which it is a part",
    ),
    (
        [],
        f'{AGAIN}variant = "speed=fast"\ncache_audio_read_tokens = 1',
        RATE
        + "speed=fast: cache_audio_read_tokens without cache_read_tokens, of which it is a part",
    ),
    (
        [(OUT, "input_audio_tokens = 2\ncache_read_tokens = 3")],
        "",
        RATE
        + "cache_read_tokens and input_audio_tokens overlap: cache_audio_read_tokens is missing",
    ),
    ([(PRICES, OUT)], "", RATE + "output_tokens without any price of what goes in"),
    (
        [(PRICES, f"prompt_tokens_from = 10\n{IN}")],
        "",
        RATE + "input_tokens: no price from 0 tokens on: a shorter prompt would have none",
    ),
    (
        [(OUT, SECONDS)],
        f"{AGAIN}prompt_tokens_from = 1000\naudio_seconds = 72",
        RATE + "audio_seconds: at_least is not the same for prompts of all lengths",
    ),
    (
        [],
        f'{AGAIN}hours = "00:30-16:30"\ncache_read_tokens = 1',
        RATE + "cache_read_tokens at 00:30-16:30: it has no price for the rest of the day",
    ),
    ([(ID, "")], "", "a model without an id (line 2)"),
    ([('name = "Small"', "")], "", MODEL + "name is missing"),
    ([('provider = "acme"', "provider = 5")], "", MODEL + "provider is missing"),
    ([("everyday", "best")], "", MODEL + "tier is one of everyday, advanced, strategic"),
    ([(ID, f"{ID}\ncolour = 5")], "", MODEL + "unknown colour"),
    ([(ID, f"{ID}\nis_fallback = 1")], "", MODEL + "is_fallback is true or false"),
    (
        [("Small", "S" * 121)],
        "",
        MODEL + "name: Ensure this value has at most 120 characters (it has 121).",
    ),
    ([("Small", "Sm\\u0000ll")], "", MODEL + "name has a character that cannot be printed"),
    (
        [(ID, f'{ID}\naliases = "tiny"')],
        "",
        MODEL + "aliases is a list of names of up to 80 characters",
    ),
    ([(ID, f'{ID}\naliases = ["tiny", "tiny"]')], "", MODEL + "an alias is there twice"),
    ([(ID, f"{ID}\nretired_on = 3")], "", MODEL + "retired_on is a date, like 2026-10-07"),
    ([("[[models.rates]]", "[models.rates]")], "", MODEL + "[[models.rates]] expected"),
    ([], CARD, "model small (line 13): it is there twice"),
    (
        [("tier =", FALLBACK)],
        CARD.replace("small", "tiny").replace("tier =", FALLBACK),
        "model tiny (line 14): small is the fallback of acme already",
    ),
    (
        [(ID, f'{ID}\naliases = ["large"]')],
        "",
        "large is the id of a model, and no alias of small",
    ),
    (
        [(ID, f'{ID}\naliases = ["big"]')],
        "",
        "big is an alias of small, and none of large",
    ),
    (
        [("\n[[models]]", "credit_usd = 'x'\n[[models]]")],
        "",
        "credit_usd (line 1): a number like 0.01 is expected",
    ),
    (
        [("\n[[models]]", "\ncredit_usd = -1\n[[models]]")],
        "",
        "credit_usd (line 2): -1: a credit is more than 0 US dollars, and at most 1000, with up to ten decimal places",
    ),
    (
        [("\n[[models]]", "credit_usd = 0.0001\n[[models]]")],
        "",
        "credit_usd: 900000000000000 credits are more than a price may be",
    ),
]
UNREADABLE = [
    ("", "card.toml: [[models]] tables expected, before them credit_usd, and nothing else"),
    (
        "[[model]]",
        "card.toml: [[models]] tables expected, before them credit_usd, and nothing else",
    ),
    ("id ", "card.toml: Expected '=' after a key in a key/value pair (at end of document)"),
    (None, "No such file or directory: 'card.toml'"),
]


def block_after(begin: str) -> list[str]:
    """Return the lines of the first block of the page after some words."""
    after = PAGE[PAGE.index(begin) :]
    return after.split("```")[1].strip("\n").splitlines()


def written(edits: Sequence[Edit], after: str) -> str:
    text = CARD
    for before, then in edits:
        assert before in text
        text = text.replace(before, then, 1)
    return text + after


def refusal(*arguments: str) -> str:
    """Load, and return why that was refused, word for word."""
    with pytest.raises(CommandError) as caught:
        call_command("load_rate_card", *arguments, "--yes", stdout=StringIO())
    return str(caught.value)


@pytest.mark.django_db(transaction=True)
class TestFile:
    @pytest.fixture(autouse=True)
    def large(self) -> None:
        large = p.make_model("large", credits_per_million=9_000_000_000_000)
        AIModel.objects.filter(slug=large.slug).update(aliases=["big"])

    @pytest.mark.parametrize(("edits", "after", "sentence"), REFUSED)
    def test_is_refused_in_these_words(
        self, tmp_path: Path, edits: Sequence[Edit], after: str, sentence: str
    ) -> None:
        file = tmp_path / "card.toml"
        file.write_text(written(edits, after))

        assert refusal(str(file)) == sentence
        assert AIModel.objects.get().slug == "large"
        assert Rate.objects.count() == 2

    @pytest.mark.parametrize(("text", "sentence"), UNREADABLE)
    def test_that_is_none_is_refused_in_these_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, sentence: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        if text is not None:
            Path("card.toml").write_text(text)

        assert refusal("card.toml").endswith(sentence)


# What the options of the command are refused for.
OPTIONS = [
    ("--markup=0", "0: a markup is above 0, and at most 1000; what is free has a rate of 0"),
    ("--markup=x", "x: a number like 1.25 is expected"),
    ("--markup=1.0000001", "1.0000001: a markup has up to six decimal places"),
    ("--from=soon", "soon: a date like 2026-12-01 is expected"),
    (
        "--credit-usd=0",
        "0: a credit is more than 0 US dollars, and at most 1000, with up to ten decimal places",
    ),
    ("--only=gpt-0", "not in the list: gpt-0"),
    ("--provider=opnai", "not in the list: opnai"),
]


@pytest.mark.django_db(transaction=True)
class TestOptions:
    @pytest.mark.parametrize(("option", "sentence"), OPTIONS)
    def test_are_refused_in_these_words(self, option: str, sentence: str) -> None:
        assert refusal(option).endswith(sentence)
        assert not AIModel.objects.exists()


class TestPage:
    def test_quotes_what_is_refused_of_a_file_and_nothing_else(self) -> None:
        quoted = block_after("What work could not be charged by is refused")

        assert quoted == list(dict.fromkeys(sentence for _, _, sentence in REFUSED))

    def test_quotes_what_is_refused_of_an_option(self) -> None:
        quoted = block_after("An option that is wrong")

        assert quoted == [sentence for _, sentence in OPTIONS]
