"""The price list that others keep (genai-prices): what it says of models from a day on, as cards of ours.

It comes with its package, so nothing is asked of anybody; a newer version of the package is a newer list. Its prices are US dollars.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import combinations

from genai_prices.data import providers
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from organizations.models import UsageProfile
from usage.hours import minutes_of
from usage.models import AIModel, Rate
from usage.services.credit import TooDear, credits_of
from usage.services.rate_card import PriceList, problem_of
from usage.units import CACHE_READ, CACHE_WRITE, INPUT, OUTPUT, REASONING

MAKERS = (
    *("anthropic", "openai", "google", "mistral", "deepseek", "x-ai", "cohere", "moonshotai"),
    *("perplexity", "voyageai", "minimax", "zai"),
)
"""Whose models are called by their bare name, the first of them who has it. Another's are called after him too: `azure/gpt-5`."""
_MAKER = {
    info.id: provider.id
    for maker in reversed(MAKERS)
    for provider in providers
    if provider.id == maker
    for info in provider.models
}
UNITS_OF_PRICES = {
    "cache_read_mtok": "cache_read_tokens",
    "input_mchars": "input_characters",
    "audio_hours": "audio_seconds",
    "input_audio_hours": "input_audio_seconds",
    "output_audio_hours": "output_audio_seconds",
    "input_gpixels": "input_pixels",
    "input_document_kpages": "input_document_pages",
    "input_annotated_document_kpages": "input_annotated_document_pages",
}
"""What the endings of the others do not say."""
LEAST = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}
"""How many seconds are charged of a shorter recording: the list has it in its code."""
TIERS = ((Decimal(5), UsageProfile.Tier.EVERYDAY), (Decimal(20), UsageProfile.Tier.ADVANCED))
"""The tier of a new model, by what a million tokens of its output cost up to; what costs more is strategic."""
EVERY_DAY = ""


class Unreadable(Exception):
    """What the list says of a model cannot be a card of ours."""


def read(
    *,
    since: date,
    credit_usd: Decimal,
    only: Collection[str] = (),
    of: Collection[str] = (),
) -> PriceList:
    """Return what the list says from a day on, in credits of so many US dollars: of all models, of these, or of those of these providers.
    What it cannot say is left out, and told in `left_out`."""
    found = PriceList([], [], credit_usd=credit_usd)
    for provider in providers:
        if of and provider.id not in of:
            continue
        if not only:
            found.whole_of.add(provider.id)
        for info in provider.models:
            slug = slug_of(provider, info)
            if only and slug not in only:
                continue
            if info.deprecated:
                found.deprecated[slug] = None
            try:
                _read_model(provider, info, slug, found, since=since, credit_usd=credit_usd)
            except (Unreadable, TooDear) as error:
                found.left_out.append(f"{slug}: {error}")
                found.deprecated.pop(slug, None)
    return found


def slug_of(provider: Provider, info: ModelInfo) -> str:
    """Return what a model of the list is called here."""
    return info.id if _MAKER.get(info.id) == provider.id else f"{provider.id}/{info.id}"


def _read_model(
    provider: Provider,
    info: ModelInfo,
    slug: str,
    found: PriceList,
    *,
    since: date,
    credit_usd: Decimal,
) -> None:
    days = [since, *(day for day in sorted(set(_days(info))) if day > since)]
    model = _model(provider, info, slug)
    cards = [list(_card(model, provider, info, day, credit_usd)) for day in days]
    if not any(cards):
        raise Unreadable("it has no price")
    found.models.append(model)
    for card in cards:
        problem = problem_of(card) if card else "it has no price any more"
        if problem is not None:
            found.models.pop()
            raise Unreadable(problem)
    for card in cards:
        found.rates += card


def _model(provider: Provider, info: ModelInfo, slug: str) -> AIModel:
    beside_input, beside_output = _counts_beside(provider)
    return AIModel(
        slug=slug,
        name=(info.name or info.id)[:120],
        provider=provider.id,
        tier=_tier(info),
        input_includes_cached=not beside_input,
        output_includes_reasoning=not beside_output,
    )


def _counts_beside(provider: Provider) -> tuple[bool, bool]:
    """Return whether a provider counts cached tokens beside its input, and reasoning beside its output: then the list adds them up."""
    extractor = next(iter(provider.extractors or ()), None)
    read = [(str(each.path), each.dest) for each in extractor.mappings] if extractor else []

    def adds(whole: str, *parts: str) -> bool:
        into_whole = {path for path, dest in read if dest == whole}
        return any(path in into_whole for path, dest in read if dest in parts)

    return adds(INPUT, CACHE_READ, CACHE_WRITE), adds(OUTPUT, REASONING)


def _tier(info: ModelInfo) -> str:
    price = _conditions(info)[0].prices.output_mtok
    dollars = price.base if isinstance(price, TieredPrices) else price or Decimal(0)
    return next((tier for most, tier in TIERS if dollars <= most), UsageProfile.Tier.STRATEGIC)


def _conditions(info: ModelInfo) -> Sequence[ConditionalPrice]:
    if isinstance(info.prices, ModelPrice):
        return [ConditionalPrice(prices=info.prices)]
    return info.prices


def _days(info: ModelInfo) -> Iterator[date]:
    """Return the days on which prices of a model begin."""
    for each in (*_conditions(info), *(info.price_variants or ())):
        if isinstance(each.constraint, StartDateConstraint):
            yield each.constraint.start_date


def _card(
    model: AIModel, provider: Provider, info: ModelInfo, day: date, credit_usd: Decimal
) -> Iterator[Rate]:
    """Return the rates of a model from a day on. Of conditions that hold the last one counts, of variants the first."""
    least = LEAST.get((provider.id, info.id), 0)
    said = {"model": model, "starts_at": datetime.combine(day, time(), UTC)}
    standard, by_hours = _in_force(info, day)
    variants: dict[str, dict[str, Decimal | TieredPrices]] = {}
    for variant in info.price_variants or ():
        if len(variant.when) != 1 or isinstance(variant.constraint, TimeOfDateConstraint):
            raise Unreadable(f"a variant by {variant.when}")
        if _has_begun(variant.constraint, day):
            ((key, value),) = variant.when.items()
            of_variant = variants.setdefault(f"{key}={value}", {})
            for name, price in _prices(variant.prices):
                of_variant.setdefault(name, price)
    layers = [
        ("", EVERY_DAY, dict(_prices(standard))),
        *(("", hours, dict(_prices(prices))) for hours, prices in by_hours.items()),
        *((variant, EVERY_DAY, prices) for variant, prices in variants.items()),
    ]
    for variant_name, hours, prices in layers:
        for unit, price in prices.items():
            for start, dollars in _steps(price):
                yield Rate(
                    unit=unit,
                    variant=variant_name,
                    hours=hours,
                    prompt_tokens_from=start,
                    amount=credits_of(dollars, credit_usd),
                    at_least=least if unit.endswith("audio_seconds") else 0,
                    **said,
                )


def _in_force(info: ModelInfo, day: date) -> tuple[ModelPrice, dict[str, ModelPrice]]:
    """Return the prices of a day, and those of hours of it instead."""
    by_hours: dict[str, ModelPrice] = {}
    conditions = _conditions(info)
    standard = conditions[0].prices
    for each in reversed(conditions):
        if isinstance(each.constraint, TimeOfDateConstraint):
            by_hours.setdefault(_hours(each.constraint), each.prices)
        elif _has_begun(each.constraint, day):
            standard = each.prices
            break
    if any(_meet(one, other) for one, other in combinations(by_hours, 2)):
        raise Unreadable("its hours overlap")
    if any(
        dict(_prices(each)).keys() != dict(_prices(standard)).keys() for each in by_hours.values()
    ):
        raise Unreadable("some hours price what others do not")
    return standard, by_hours


def _has_begun(constraint: StartDateConstraint | TimeOfDateConstraint | None, day: date) -> bool:
    return constraint is None or (
        isinstance(constraint, StartDateConstraint) and constraint.start_date <= day
    )


def _hours(constraint: TimeOfDateConstraint) -> str:
    return "-".join(_clock(each) for each in (constraint.start_time, constraint.end_time))


def _clock(moment: time) -> str:
    if moment.second or moment.microsecond:
        raise Unreadable(f"hours to the second: {moment}")
    offset = moment.utcoffset() or timedelta()
    return f"{datetime.combine(date(2000, 1, 2), moment.replace(tzinfo=None)) - offset:%H:%M}"


def _meet(one: str, other: str) -> bool:
    """Whether hours have a minute in common."""
    first, second = (set(_minutes(each)) for each in (one, other))
    return bool(first & second)


def _minutes(hours: str) -> Iterable[int]:
    begin, end = minutes_of(hours)
    return range(begin, end) if begin < end else (*range(begin, 1_440), *range(end))


def _prices(prices: ModelPrice) -> Iterator[tuple[str, Decimal | TieredPrices]]:
    """Return what prices say, by unit."""
    for name, price in vars(prices).items():
        if price is not None:
            yield unit_of(name), price


def unit_of(name: str) -> str:
    """Return the unit that a price of the list is of."""
    known = UNITS_OF_PRICES.get(name)
    return known or name.replace("_mtok", "_tokens").replace("_kcount", "")


def _steps(price: Decimal | TieredPrices) -> Iterator[tuple[int, Decimal]]:
    """Return from which lengths of the prompt a price holds. The list's tiers begin above a length."""
    if not isinstance(price, TieredPrices):
        yield 0, price
        return
    yield 0, price.base
    for tier in price.tiers:
        yield tier.start + 1, tier.price
