"""What a provider says itself of what was used: read from its answer by the extractors of the public price list (genai-prices). Pure.

An extractor knows where a provider's answer says what, and whether cached tokens are counted in its input or beside it. So what comes out
is counted as the list counts: wholes with their parts in.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_UP, Decimal
from types import MappingProxyType
from typing import Any

from genai_prices.data import providers
from genai_prices.types import ArrayMatch, UsageExtractor, UsageExtractorMapping

from organizations import wire
from usage.counts import NAMES, missing_whole
from usage.pricing import Count, Counts
from usage.units import FRACTIONAL

MOST = 10**9
"""The largest count of anything."""
DEFAULT = "default"
NOTHING: Counts = MappingProxyType({})
EXTRACTORS: Mapping[str, Mapping[str, UsageExtractor]] = {
    provider.id: {each.api_flavor: each for each in provider.extractors}
    for provider in providers
    if provider.extractors
}
"""Of each provider by its id in the list: how each flavor of its API says what was used."""
_SMALLEST = Decimal("0.000001")


class Unreadable(Exception):
    """An answer does not say what was used; `field` is the part of it that is wrong."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def counts_of(
    provider: str, flavor: str | None, answer: Mapping[str, Any], units: Counts = NOTHING
) -> Counts:
    """Return what was used by a provider's answer: whole, or what it says of it alone under `usage`.

    :param provider: its id in the price list
    :param flavor: of its API; needed where it has several and none of them is `default`
    :param units: what was used besides, and the answer does not count
    :raises Unreadable: if the list knows no such provider or flavor, it does not say what was used, or counts one of the units itself
    """
    extractor = _extractor(provider, flavor)
    root = _steps(extractor.root)
    answer, found = _rooted(answer, root)
    for mapping in extractor.mappings:
        _require_number(mapping, found, root)
    try:
        _, used = extractor.extract(answer)
    except (ValueError, AttributeError) as error:  # of a modality that is no text
        raise Unreadable(".".join(root), f"{error}.") from error
    counts = {unit: _whole(unit, count) for unit, count in vars(used).items()}
    for unit in units:
        if unit in counts:
            raise Unreadable("units", f"The answer counts {NAMES[unit]} itself.")
    return _with_wholes(counts | dict(units), units)


def _extractor(provider: str, flavor: str | None) -> UsageExtractor:
    flavors = EXTRACTORS.get(provider)
    if flavors is None:
        known = ", ".join(EXTRACTORS)
        raise Unreadable("provider", f"Nothing is known of its answers. Known are {known}.")
    if flavor is None:
        flavor = DEFAULT if len(flavors) > 1 else next(iter(flavors))
    found = flavors.get(flavor)
    if found is None:
        raise Unreadable("flavor", f"One of {', '.join(flavors)} is expected of {provider}.")
    return found


def _rooted(
    answer: Mapping[str, Any], root: Sequence[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a whole answer, and what it says at its root: where only that was sent, as if the rest had been there."""
    alone = answer.get("usage")
    if isinstance(alone, Mapping):
        whole = alone
        for step in reversed(root):
            whole = {step: whole}
        bodies = [alone, answer, whole]
    else:
        bodies = [answer]
    for body in bodies:
        found = _at(body, root)
        if isinstance(found, Mapping):
            return body, found
    raise Unreadable(".".join(root), "An object that says what was used is expected.")


def _steps(path: str | Sequence[Any]) -> list[Any]:
    return [path] if isinstance(path, str) else list(path)


def _at(value: Any, path: Sequence[Any]) -> Any:
    """Return what is at the end of a path; None if it does not lead there."""
    for step in path:
        if isinstance(step, ArrayMatch):
            items = value if isinstance(value, list) else []
            value = step.extract([each for each in items if _has_text(each, step.field)])
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _has_text(item: Any, field: str) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get(field), str)


def _require_number(
    mapping: UsageExtractorMapping, found: Mapping[str, Any], root: Sequence[str]
) -> None:
    """Refuse what is no count, where one is said: an extractor would pass over it."""
    path = _steps(mapping.path)
    for length in range(1, len(path)):
        inner = _at(found, path[:length])
        is_list = isinstance(path[length], ArrayMatch)
        if inner is not None and not isinstance(inner, list if is_list else Mapping):
            kind = "A list" if is_list else "An object"
            raise Unreadable(_dotted(root, path[:length]), f"{kind} is expected.")
    count = _at(found, path)
    if count is None and not mapping.required:
        return
    is_number = type(count) in (int, Decimal, float)
    if not is_number or not 0 <= count <= MOST:
        raise Unreadable(_dotted(root, path), f"A number from 0 to {MOST} is expected.")
    if mapping.dest not in FRACTIONAL and count != int(count):
        raise Unreadable(_dotted(root, path), "A whole number is expected.")


def _dotted(root: Sequence[str], path: Sequence[Any]) -> str:
    return ".".join([*root, *_named(path)])


def _named(path: Sequence[Any]) -> Iterator[str]:
    for step in path:
        yield step.field if isinstance(step, ArrayMatch) else str(step)


def _whole(unit: str, count: Any) -> Count:
    """Return a count exactly: parts of a second to six places, and what is beyond them up."""
    exact = count if isinstance(count, Decimal) else Decimal(repr(count))
    if unit not in FRACTIONAL:
        return int(exact)
    return wire.plain(exact.quantize(_SMALLEST, rounding=ROUND_UP))


def _with_wholes(counts: Counts, units: Counts) -> Counts:
    """Return counts without nothing of a part whose whole is not told."""
    if missing_whole(counts) is None:
        return counts
    said = {unit: count for unit, count in counts.items() if count}
    missing = missing_whole(said)
    if missing is not None:
        field = "units" if missing[0] in units else "usage"
        part, whole = (NAMES[unit] for unit in missing)
        raise Unreadable(field, f"It says {part} and no {whole}, of which it is a part.")
    return said
