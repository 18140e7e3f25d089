"""A cost map of LiteLLM (`model_prices_and_context_window.json`): US dollars for one of each thing, by the names of its fields."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import simplejson

from organizations.models import UsageProfile
from usage import responses
from usage.models import AIModel, Rate
from usage.pricing import EXACT
from usage.services.credit import MOST, TooDear, credits_of
from usage.services.price_list import TIERS
from usage.services.rate_card import InvalidRateCard, PriceList, problem_of
from usage.units import ORDER, UNITS, WHOLES, overlap

FIELDS = {
    "input_cost_per_token": "input_tokens",
    "output_cost_per_token": "output_tokens",
    "cache_read_input_token_cost": "cache_read_tokens",
    "cache_creation_input_token_cost": "cache_write_tokens",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h_tokens",
    "output_cost_per_reasoning_token": "output_reasoning_tokens",
    "input_cost_per_audio_token": "input_audio_tokens",
    "output_cost_per_audio_token": "output_audio_tokens",
    "cache_read_input_audio_token_cost": "cache_audio_read_tokens",
    "cache_read_input_token_cost_per_audio_token": "cache_audio_read_tokens",
    "cache_read_input_image_token_cost": "cache_image_read_tokens",
    "cache_creation_input_audio_token_cost": "cache_audio_write_tokens",
    "input_cost_per_audio_token_cached": "cache_audio_read_tokens",
    "input_cost_per_token_cache_hit": "cache_read_tokens",
    "explicit_cache_read_input_token_cost": "cache_read_tokens",
    "input_cost_per_video_token": "input_video_tokens",
    "output_cost_per_video_token": "output_video_tokens",
    "input_cost_per_text_message": "input_text_messages",
    "input_cost_per_image_token": "input_image_tokens",
    "output_cost_per_image_token": "output_image_tokens",
    "citation_cost_per_token": "output_citation_tokens",
    "input_cost_per_image": "input_images",
    "output_cost_per_image": "output_images",
    "input_cost_per_pixel": "input_pixels",
    "output_cost_per_pixel": "output_pixels",
    "input_cost_per_character": "input_characters",
    "output_cost_per_character": "output_characters",
    "cost_per_second": "input_audio_seconds",
    "input_cost_per_second": "input_audio_seconds",
    "output_cost_per_second": "output_audio_seconds",
    "input_cost_per_audio_per_second": "input_audio_seconds",
    "input_cost_per_video_per_second": "input_video_seconds",
    "output_cost_per_video_per_second": "output_video_seconds",
    "ocr_cost_per_page": "input_document_pages",
    "annotation_cost_per_page": "input_annotated_document_pages",
    "input_cost_per_query": "rerank_searches",
    "input_cost_per_request": "requests",
    "code_interpreter_cost_per_session": "code_executions",
}
OF_MODES = {
    ("video_generation", "output_audio_seconds"): "output_video_seconds",
    ("chat", "input_audio_seconds"): "compute_seconds",
    ("completion", "input_audio_seconds"): "compute_seconds",
    ("embedding", "input_audio_seconds"): "compute_seconds",
    ("chat", "output_audio_seconds"): "compute_seconds",
    ("completion", "output_audio_seconds"): "compute_seconds",
}
"""What a second is of, where it is of nothing that is heard."""
SUFFIXES = {
    "_batches": "processing=batch",
    "_flex": "service_tier=flex",
    "_priority": "service_tier=priority",
    "_ultrafast": "service_tier=ultrafast",
    "_balanced": "service_tier=balanced",
}
SEARCHES = "search_context_cost_per_query"
TIERED, OFF_PEAK = "tiered_pricing", "off_peak_pricing"
Step = tuple[str, str, int]
"""Which row of a card: of which unit and variant, for prompts from which length on."""
LONGEST = responses.MOST
"""No prompt has more tokens."""
_BAND = re.compile(r"_above_(\d+)k_tokens")
_OF_A_SIZE = re.compile(r"((?:in|out)put_cost_per_(?:second|image))_(?:\d+p|[\d.]+[kK]|\d+)")
"""What depends on how large a picture is, which no usage says: the most counts."""


class Unchargeable(Exception):
    """No work can be charged by what a map says of a price."""


def read(
    path: Path,
    *,
    since: date,
    credit_usd: Decimal,
    only: Collection[str] = (),
    of: Collection[str] = (),
) -> PriceList:
    """Return what a cost map says, as cards that begin on a day, in credits of so many US dollars. What it cannot say is left out, and told in `left_out`.

    :raises InvalidRateCard: if it is no cost map
    """
    try:
        content = simplejson.loads(path.read_text(encoding="utf-8"), use_decimal=True)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidRateCard(f"{path}: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(e, dict) for e in content.values()):
        raise InvalidRateCard(f"{path}: an object of models expected")
    found = PriceList([], [], credit_usd=credit_usd)
    for slug, entry in content.items():
        said = entry.get("litellm_provider")
        provider = said if isinstance(said, str) else ""
        wanted = (not only or slug in only) and (not of or provider in of)
        if slug != "sample_spec" and wanted:
            _read_model(slug, provider, entry, found, since=since, credit_usd=credit_usd)
    return found


def _read_model(
    slug: str,
    provider: str,
    entry: Mapping[str, Any],
    found: PriceList,
    *,
    since: date,
    credit_usd: Decimal,
) -> None:
    model = AIModel(
        slug=slug,
        name=slug[:120],
        provider=provider,
        tier=_tier(entry),
        input_includes_cached=provider != "anthropic",
    )
    for what, name, longest in (("name", slug, 80), ("provider", provider, 40)):
        if not 0 < len(name) <= longest or not name.isprintable():
            expected = f"a {what} of 1 to {longest} characters that can be printed is expected"
            found.left_out.append(f"{ascii(slug)[1:-1]}: {expected}")
            return
    amounts = _amounts(slug, entry, found, credit_usd)
    begins_at = datetime.combine(since, time(), UTC)
    rates = [
        Rate(
            model=model,
            starts_at=begins_at,
            unit=unit,
            variant=variant,
            prompt_tokens_from=start,
            amount=amount,
        )
        for (unit, variant, start), amount in sorted(amounts.items())
    ]
    problem = problem_of(rates) if rates else "it has no price"
    if problem is not None:
        found.left_out.append(f"{slug}: {problem}")
        return
    found.models.append(model)
    found.rates += rates
    if "deprecation_date" in entry:
        found.deprecated[slug] = _day(entry["deprecation_date"])


def _amounts(
    slug: str, entry: Mapping[str, Any], found: PriceList, credit_usd: Decimal
) -> dict[Step, Decimal]:
    """Return what an entry says that each row of a card costs, and tell what of it is left out."""
    amounts: dict[Step, Decimal] = {}
    mode = str(entry.get("mode") or "")
    for field, value, start in _fields(entry):
        try:
            price = _price_of(field, value, start, mode, credit_usd)
        except (Unchargeable, TooDear) as error:
            found.left_out.append(f"{slug}: {field}: {error}")
            continue
        if price is not None:
            step, amount = price
            amounts[step] = max(amount, amounts.get(step, amount))
    if entry.get(OFF_PEAK):
        found.left_out.append(f"{slug}: {OFF_PEAK}: hours of weekdays, so its other price counts")
    _complete(amounts)
    return amounts


def _fields(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Return what an entry says, field by field, in its tiers too, each with the length of the prompt from which it holds."""
    for field, value in entry.items():
        if field != TIERED:
            yield field, value, 0
    tiers = entry.get(TIERED)
    for tier in tiers if isinstance(tiers, list) else []:
        of_tier = tier if isinstance(tier, dict) else {}
        begin = _begin(of_tier.get("range"))
        if begin is None:
            yield f"{TIERED} cost", of_tier, 0
            continue
        start = int(begin) + 1 if begin else 0
        yield from ((field, value, start) for field, value in of_tier.items())


def _begin(span: Any) -> int | Decimal | None:
    """Return after how many tokens a tier begins; None if it does not say."""
    if span in (None, []):
        return 0
    begin = span[0] if isinstance(span, list) else None
    if not isinstance(begin, int | Decimal) or isinstance(begin, bool):
        return None
    return begin if 0 <= begin <= LONGEST else None


def _price_of(
    field: str, value: Any, start: int, mode: str, credit_usd: Decimal
) -> tuple[Step, Decimal] | None:
    """Return what a field says that prompts from a length on cost; None if it says nothing of that.

    :raises Unchargeable: if no work can be charged by it
    :raises TooDear: if no price may be as high
    """
    if "cost" not in field or value in (None, "", {}):
        return None
    if field == SEARCHES:
        value, variant, above = _searches(value), "", 0
        unit: str | None = "web_searches"
    else:
        base, variant, above = _parted(field)
        unit = FIELDS.get(base)
    if unit is None:
        raise Unchargeable("a price that has no unit here")
    if max(start, above) > LONGEST:
        raise Unchargeable("no prompt is as long")
    unit = OF_MODES.get((mode, unit), unit)
    amount = credits_of(EXACT.multiply(_dollars(value), UNITS[unit].per), credit_usd)
    return (unit, variant, max(start, above)), amount


def _dollars(value: Any) -> Decimal:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise Unchargeable(f"{value} is not a number")
    if value < 0:
        raise Unchargeable(f"{value} is not 0 or more")
    if value >= MOST:
        raise Unchargeable(f"{value} is more than a price may be")
    return Decimal(value)


def _parted(field: str) -> tuple[str, str, int]:
    """Return which price a field names, of which variant, and for prompts from which length on."""
    variant = ""
    for suffix, name in SUFFIXES.items():
        if field.endswith(suffix):
            field, variant = field.removesuffix(suffix), name
    sized = _OF_A_SIZE.fullmatch(field)
    if sized is not None:
        field = sized[1]
    band = _BAND.search(field)
    if band is None:
        return field, variant, 0
    return _BAND.sub("", field), variant, int(band[1]) * 1_000 + 1


def _searches(value: Any) -> Any:
    """Return what a search costs: the most of what it costs by how much it finds."""
    costs = value.values() if isinstance(value, dict) else [value]
    known = [cost for cost in costs if isinstance(cost, int | Decimal)]
    return max(known, default=value)


def _complete(amounts: dict[Step, Decimal]) -> None:
    """Add what a map leaves open: a whole costs what it costs without the part, or as much as its part; what is in two parts the dearer; and
    what has a price for long prompts has one for short ones."""
    for unit, variant, start in sorted(amounts):
        if start and (unit, variant, 0) not in amounts:
            fallback = amounts.get((unit, "", 0), amounts[unit, variant, start])
            amounts[unit, variant, 0] = fallback
    by_place = sorted({unit for unit, _, _ in amounts}, key=lambda unit: ORDER[unit])
    for unit in by_place:
        for whole in sorted(WHOLES[unit], key=lambda each: -ORDER[each]):
            if not any(each == whole for each, _, _ in amounts):
                _copy(_nearest(whole, amounts) or unit, whole, amounts)
    changed = True
    while changed:
        changed = False
        units = sorted({unit for unit, _, _ in amounts})
        for one, other in combinations(units, 2):
            both = overlap(one, other)
            if both is not None and both not in units:
                _copy(max(one, other, key=lambda unit: _most(unit, amounts)), both, amounts)
                changed = True


def _nearest(unit: str, amounts: Mapping[Step, Decimal]) -> str | None:
    """Return the unit by whose price another is charged that has none: the smallest that contains it."""
    priced = {each for each, _, _ in amounts} & WHOLES[unit]
    return min(priced, key=lambda each: ORDER[each], default=None)


def _most(unit: str, amounts: Mapping[Step, Decimal]) -> Decimal:
    return max(amount for (each, _, _), amount in amounts.items() if each == unit)


def _copy(unit: str, to: str, amounts: dict[Step, Decimal]) -> None:
    for (each, variant, start), amount in list(amounts.items()):
        if each == unit:
            amounts[to, variant, start] = amount


def _day(text: Any) -> date | None:
    """Return the day that a map names; None where it is none."""
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


def _tier(entry: Mapping[str, Any]) -> str:
    cost = entry.get("output_cost_per_token")
    dollars = cost if isinstance(cost, int | Decimal) else 0
    known = (tier for most, tier in TIERS if dollars <= most / 10**6)
    return next(known, UsageProfile.Tier.STRATEGIC)
