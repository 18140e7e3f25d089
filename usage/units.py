"""What work is counted in: tokens of every kind, seconds, searches, pages. Pure.

The names and what they are priced by are those of the price list that others keep (genai-prices), and a few that it lacks. A unit is a
set of dimensions, and one that has more of them is a *part* of one that has fewer: `cache_audio_read_tokens` are among the
`cache_read_tokens`, among the `input_audio_tokens`, and all of these among the `input_tokens`. A whole counts its parts in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

INPUT, OUTPUT, REQUESTS = "input_tokens", "output_tokens", "requests"
CACHE_READ, CACHE_WRITE, REASONING = (
    "cache_read_tokens",
    "cache_write_tokens",
    "output_reasoning_tokens",
)
_MODALITIES = ("", "text", "audio", "image", "video")
_MILLION, _THOUSAND = 1_000_000, 1_000


@dataclass(frozen=True)
class Unit:
    """A unit, and of how many a price is: credits per million tokens, per thousand searches, per hour of seconds."""

    name: str
    per: int
    dimensions: frozenset[tuple[str, str]]

    @property
    def family(self) -> str:
        """What is counted: tokens, durations, tool_calls, …"""
        return dict(self.dimensions)["family"]

    @property
    def direction(self) -> str:
        """Whether it goes in or comes out; empty where that is not told."""
        return dict(self.dimensions).get("direction", "")

    def contains(self, other: "Unit") -> bool:
        """Whether the other is a part of this one."""
        return self.dimensions < other.dimensions


def _tokens() -> Iterable[Unit]:
    for modality in _MODALITIES:
        infix = f"{modality}_" if modality else ""
        yield _token(f"input_{infix}tokens", modality, direction="input")
        yield _token(f"output_{infix}tokens", modality, direction="output")
        for kind in ("read", "write"):
            yield _token(f"cache_{infix}{kind}_tokens", modality, "input", f"cache_{kind}")
        for ttl in ("5m", "1h"):
            name = f"cache_{infix}write_{ttl}_tokens"
            yield _token(name, modality, "input", "cache_write", cache_ttl=ttl)
        yield _token(f"input_{infix}tool_tokens", modality, "input", "tool")
        for kind in ("reasoning", "citation"):
            yield _token(f"output_{infix}{kind}_tokens", modality, "output", kind)


def _token(
    name: str, modality: str, direction: str, token_type: str = "", cache_ttl: str = ""
) -> Unit:
    return _unit(
        name,
        _MILLION,
        family="tokens",
        direction=direction,
        modality=modality,
        token_type=token_type,
        cache_ttl=cache_ttl,
    )


def _unit(name: str, per: int, **dimensions: str) -> Unit:
    return Unit(name, per, frozenset((key, value) for key, value in dimensions.items() if value))


_OTHERS = (
    _unit("input_characters", _MILLION, family="characters", direction="input"),
    _unit("input_text_messages", _THOUSAND, family="messages", direction="input", modality="text"),
    _unit("audio_seconds", 3_600, family="durations", modality="audio"),
    _unit("input_audio_seconds", 3_600, family="durations", direction="input", modality="audio"),
    _unit("output_audio_seconds", 3_600, family="durations", direction="output", modality="audio"),
    _unit("input_pixels", 10**9, family="pixels", direction="input"),
    _unit("input_document_pages", _THOUSAND, family="document_pages", direction="input"),
    _unit(
        "input_annotated_document_pages",
        _THOUSAND,
        family="document_pages",
        direction="input",
        page_type="annotated",
    ),
    _unit("rerank_searches", _THOUSAND, family="rerank"),
    *(
        _unit(name, _THOUSAND, family="tool_calls", tool_type=kind)
        for name, kind in (
            ("web_searches", "web_search"),
            ("social_searches", "social_search"),
            ("storage_searches", "storage_search"),
            ("code_executions", "code_execution"),
        )
    ),
    _unit(REQUESTS, _THOUSAND, family="requests"),
)
_OWN = (
    _unit("output_characters", _MILLION, family="characters", direction="output"),
    _unit("input_images", _THOUSAND, family="images", direction="input"),
    _unit("output_images", _THOUSAND, family="images", direction="output"),
    _unit("output_pixels", 10**9, family="pixels", direction="output"),
    _unit("input_video_seconds", 3_600, family="durations", direction="input", modality="video"),
    _unit("output_video_seconds", 3_600, family="durations", direction="output", modality="video"),
    _unit("compute_seconds", 3_600, family="compute"),
)
"""What the list has no name for, and others sell."""

UNITS: dict[str, Unit] = {unit.name: unit for unit in (*_tokens(), *_OTHERS, *_OWN)}
ORDER: dict[str, int] = {
    unit.name: number
    for number, unit in enumerate(
        sorted(UNITS.values(), key=lambda unit: (-len(unit.dimensions), unit.name))
    )
}
"""Parts before their wholes."""
PARTS: dict[str, frozenset[str]] = {
    whole.name: frozenset(part.name for part in UNITS.values() if whole.contains(part))
    for whole in UNITS.values()
}
"""Of each unit: all that are parts of it."""
WHOLES: dict[str, frozenset[str]] = {
    part: frozenset(whole for whole, parts in PARTS.items() if part in parts) for part in UNITS
}
"""Of each unit: all that it is a part of."""
DIRECTIONS: dict[str, str] = {name: unit.direction for name, unit in UNITS.items()}
"""Of each unit: `input`, `output` or nothing."""
TOKENS = frozenset(name for name, unit in UNITS.items() if unit.family == "tokens")
FRACTIONAL = frozenset(
    name for name, unit in UNITS.items() if unit.family in ("durations", "compute")
)
"""What is measured, and not counted one by one: seconds. There may be parts of one."""
TOOLS = frozenset(name for name, unit in UNITS.items() if unit.family == "tool_calls")
"""What a model does besides answering."""
TEXT = frozenset(
    name for name, unit in UNITS.items() if unit.family in ("tokens", "characters", "messages")
)
"""What providers count of any work, also of what they sell by another measure."""
EVERY_PER = 9 * 10**9
"""What every `per` divides, so that a sum of prices is divided once."""
TIMES: dict[str, int] = {name: EVERY_PER // unit.per for name, unit in UNITS.items()}
"""By what the price of each unit is multiplied for that."""
_BY_DIMENSIONS = {unit.dimensions: unit.name for unit in UNITS.values()}


def overlap(one: str, other: str) -> str | None:
    """Return the unit of what is in both of two, neither of which is a part of the other; None if nothing can be."""
    first, second = UNITS[one].dimensions, UNITS[other].dimensions
    if first <= second or second <= first:
        return None
    both = first | second
    if len({key for key, _ in both}) < len(both):
        return None
    return _BY_DIMENSIONS.get(both)
