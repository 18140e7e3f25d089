"""What work used, counted by unit as the price list counts: wholes with their parts in, whoever the provider is. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from organizations import wire
from usage.pricing import Count, Counts, RateCard, Tokens
from usage.units import (
    CACHE_READ,
    CACHE_WRITE,
    INPUT,
    ORDER,
    OUTPUT,
    PARTS,
    REASONING,
    REQUESTS,
    TOKENS,
    UNITS,
    WHOLES,
)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


BY_NAME = {_camel(name): name for name in UNITS if name != REQUESTS}
"""The units that work may be told in, by their names in JSON. A request is one, and not counted."""
NAMES = {unit: name for name, unit in BY_NAME.items()}


def missing_whole(counts: Counts) -> tuple[str, str] | None:
    """Return tokens that are counted without the largest count that contains them, and that one."""
    for unit in counts:
        for whole in WHOLES[unit] & TOKENS:
            if not WHOLES[whole] and whole not in counts:
                return unit, whole
    return None


def completed(counts: Counts) -> Counts:
    """Return counts with those that contain a part and are not told: as much as their parts that are."""
    full = dict(counts)
    for unit, count in counts.items():
        for whole in WHOLES[unit]:
            is_within = any(other in PARTS[whole] for other in WHOLES[unit] if other in counts)
            if whole not in counts and not is_within:
                full[whole] = full.get(whole, 0) + count
    return full


def exactly(count: Any) -> Count:
    """Return a count as it is said in JSON, whatever read it: whole, or a decimal without zeros at its end."""
    exact = count if isinstance(count, Decimal) else Decimal(repr(count))
    return wire.plain(exact)


def counts_in(said: Mapping[str, Any] | None) -> Counts:
    """Return counts by unit from JSON that was stored."""
    return {unit: exactly(count) for unit, count in (said or {}).items()}


def remarks(counts: Counts) -> str:
    """Return in words where a part is larger than what contains it; nothing where none is."""
    said = [
        f"{counts[part]} {words(part)} of {counts[whole]} {words(whole)}"
        for part in sorted(counts, key=lambda unit: ORDER[unit])
        for whole in sorted(WHOLES[part])
        if whole in counts and counts[part] > counts[whole]
    ]
    cached = counts.get(CACHE_READ, 0) + counts.get(CACHE_WRITE, 0)
    if not said and INPUT in counts and cached > counts[INPUT]:
        said.append(f"{cached} cached tokens of {counts[INPUT]} input tokens")
    return ", ".join(said)


def tokens_of(card: RateCard, counts: Counts) -> Tokens:
    """Return the tokens among counts, as the provider of a card counts them."""
    told_input, told_output = int(counts.get(INPUT, 0)), int(counts.get(OUTPUT, 0))
    cached, written = int(counts.get(CACHE_READ, 0)), int(counts.get(CACHE_WRITE, 0))
    reasoning = int(counts.get(REASONING, 0))
    beside_input = 0 if card.input_includes_cached else cached + written
    beside_output = 0 if card.output_includes_reasoning else reasoning
    return Tokens(
        input=max(0, told_input - beside_input),
        cached_input=cached,
        cache_write=written,
        output=max(0, told_output - beside_output),
        reasoning=reasoning,
    )


def as_json(counts: Counts) -> str:
    """Return counts by unit as JSON, written by hand because there are a thousand of them: no name needs a quote, and a number is exact."""
    return "{" + ",".join([f'"{unit}":{count}' for unit, count in counts.items()]) + "}"


def words(unit: str) -> str:
    """Return how a unit is called in a sentence."""
    return unit.replace("_", " ")
