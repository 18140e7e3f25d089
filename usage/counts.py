"""What work used, counted by unit as the price list counts: wholes with their parts in, whoever the provider is. Pure."""

from usage.pricing import Counts, RateCard, Tokens
from usage.units import (
    CACHE_READ,
    CACHE_WRITE,
    INPUT,
    ORDER,
    OUTPUT,
    PARTS,
    REASONING,
    REQUESTS,
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
    """Return a unit that is counted without the largest that contains it, and that one."""
    for unit in counts:
        for whole in WHOLES[unit]:
            if not WHOLES[whole] and whole not in counts:
                return unit, whole
    return None


def completed(counts: Counts) -> Counts:
    """Return counts with those between a part and the whole that are not told: as much as their parts that are."""
    full = dict(counts)
    for unit, count in counts.items():
        for whole in WHOLES[unit]:
            is_within = any(other in PARTS[whole] for other in WHOLES[unit] if other in counts)
            if whole not in counts and not is_within:
                full[whole] = full.get(whole, 0) + count
    return full


def remarks(card: RateCard, counts: Counts) -> str:
    """Return in words where a part is larger than what contains it, and what has no price; nothing where none is."""
    said = [
        f"{counts[part]} {_words(part)} of {counts[whole]} {_words(whole)}"
        for part in sorted(counts, key=lambda unit: ORDER[unit])
        for whole in sorted(WHOLES[part])
        if whole in counts and counts[part] > counts[whole]
    ]
    cached = counts.get(CACHE_READ, 0) + counts.get(CACHE_WRITE, 0)
    if not said and INPUT in counts and cached > counts[INPUT]:
        said.append(f"{cached} cached tokens of {counts[INPUT]} input tokens")
    priced = card.sheet().steps
    said += [
        f"no price for {count} {_words(unit)}"
        for unit, count in counts.items()
        if count and unit not in priced and not any(whole in priced for whole in WHOLES[unit])
    ]
    return ", ".join(said)[:200]


def tokens_of(card: RateCard, counts: Counts) -> Tokens:
    """Return the tokens among counts, as the provider of a card counts them."""
    cached, written = counts.get(CACHE_READ, 0), counts.get(CACHE_WRITE, 0)
    reasoning = counts.get(REASONING, 0)
    beside_input = 0 if card.input_includes_cached else cached + written
    beside_output = 0 if card.output_includes_reasoning else reasoning
    return Tokens(
        input=max(0, counts.get(INPUT, 0) - beside_input),
        cached_input=cached,
        cache_write=written,
        output=max(0, counts.get(OUTPUT, 0) - beside_output),
        reasoning=reasoning,
    )


def _words(unit: str) -> str:
    return unit.replace("_", " ")
