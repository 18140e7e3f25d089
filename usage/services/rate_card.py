"""Loading a rate card from a file: what it says, what that would change, and changing it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from credits.models import Catalogue
from organizations.history import UNSAID, sign
from organizations.models import UsageProfile
from usage.models import AIModel, Rate

BUNDLED = Path(__file__).parent.parent / "data" / "rate_card.toml"
"""The rate card that comes with Purser."""

PRICES = (
    "input",
    "cached_input",
    "cache_write",
    "output",
    "reasoning",
    "per_request",
    "per_unit",
)
OF_THE_CARD = ("per_request", "input_includes_cached", "output_includes_reasoning")
"""What all bands of a card say alike: it is of the request, or of how its tokens are counted, however long the prompt."""
FLAGS = {"input_includes_cached": False, "output_includes_reasoning": True}
MODEL_FIELDS = ("name", "provider", "tier", "is_fallback")
PLACES = Decimal("0.000001")


class InvalidRateCard(Exception):
    """The file is not a rate card; the message says where, and what was expected."""


@dataclass(frozen=True)
class Change:
    """One difference between the file and the database: which field of what, from what, to what."""

    subject: str
    field: str
    before: str
    after: str


@dataclass
class RateCardFile:
    """A rate card as a file says it: models and rates that are not saved."""

    models: list[AIModel]
    rates: list[Rate]


def read(path: Path) -> RateCardFile:
    """Read a rate card from a TOML file.

    :raises InvalidRateCard: if it is not one
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text, parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, InvalidOperation) as error:
        raise InvalidRateCard(f"{path}: {error}") from error
    tables = content.pop("models", None)
    if content or not _are_tables(tables):
        raise InvalidRateCard(f"{path}: [[models]] tables expected, and nothing else")
    file = RateCardFile([], [])
    for table in tables:
        _read_model(dict(table), file)
    _require_unique(file)
    return file


def compare(file: RateCardFile) -> list[Change]:
    """Return what loading the file would change, in the order of the file. What it does not name stays."""
    models = AIModel.objects.in_bulk([model.slug for model in file.models])
    changes = []
    for model in file.models:
        changes += _changes(model.slug, model, models.get(model.slug), MODEL_FIELDS)
    known = {_key(rate): rate for rate in Rate.objects.filter(model__in=models)}
    for rate in file.rates:
        changes += _changes(str(rate), rate, known.get(_key(rate)), (*PRICES, *FLAGS))
    return changes


@transaction.atomic(savepoint=False)
def load(file: RateCardFile, *, performed_by: str = UNSAID) -> None:
    """Make the database say what the file says of its models and rates, with a history of each change.

    :raises InvalidRateCard: if a band that the file does not name contradicts the card that it names
    """
    # Whoever changes the catalogue raises its version: first of all, so that two who load cards do not wait for each other.
    Catalogue.objects.select_for_update(no_key=True).get()
    fallbacks = {model.provider: model.slug for model in file.models if model.is_fallback}
    for provider, slug in fallbacks.items():
        for old in AIModel.objects.filter(provider=provider, is_fallback=True).exclude(slug=slug):
            old.is_fallback = False
            sign(old, performed_by=performed_by)
            old.save(update_fields=["is_fallback"])
    models = AIModel.objects.in_bulk([model.slug for model in file.models])
    for model in file.models:
        if _changes("", model, models.get(model.slug), MODEL_FIELDS):
            sign(model, performed_by=performed_by)
            model.save()
    known = {_key(rate): rate for rate in Rate.objects.filter(model__in=models)}
    for rate in file.rates:
        before = known.get(_key(rate))
        rate.pk = before.pk if before else None
        if _changes("", rate, before, (*PRICES, *FLAGS)):
            sign(rate, performed_by=performed_by)
            rate.save()
    for first in (rate for rate in file.rates if rate.prompt_tokens_from == 0):
        for band in bands_beside(first):
            _require_agreement(first, band)


def bands_beside(rate: Rate) -> QuerySet[Rate]:
    """Return the other bands of a rate's card, the shortest prompts first."""
    card = Rate.objects.filter(model=rate.model_id, starts_at=rate.starts_at)
    return card.exclude(pk=rate.pk).order_by("prompt_tokens_from")


def disagreement(first: Rate, band: Rate) -> tuple[str, str] | None:
    """Return what a band says otherwise than the first one of its card: the field, and a sentence."""
    for name in OF_THE_CARD:
        said, whole = getattr(band, name), getattr(first, name)
        if said != whole:
            return (
                name,
                f"{_text(said)} here and {_text(whole)} in the first band: it is of the whole card",
            )
    return None


def _require_agreement(first: Rate, band: Rate) -> None:
    differs = disagreement(first, band)
    if differs is not None:
        raise InvalidRateCard(f"rate {band}: {differs[0]} is {differs[1]}")


def _read_model(table: dict[str, Any], file: RateCardFile) -> None:
    slug = table.pop("id", None)
    where = f"model {slug}"
    if not isinstance(slug, str) or not slug:
        raise InvalidRateCard("a model without an id")
    flags = {name: table.pop(name, default) for name, default in FLAGS.items()}
    rates = table.pop("rates", [])
    fields = {"is_fallback": table.pop("is_fallback", False)}
    fields |= {name: table.pop(name, None) for name in ("name", "provider", "tier")}
    _require(not table, f"{where}: unknown {', '.join(table)}")
    for name in ("name", "provider"):
        _require(isinstance(fields[name], str) and fields[name], f"{where}: {name} is missing")
    tiers = UsageProfile.Tier.values
    _require(fields["tier"] in tiers, f"{where}: tier is one of {', '.join(tiers)}")
    for name, flag in {**flags, "is_fallback": fields["is_fallback"]}.items():
        _require(isinstance(flag, bool), f"{where}: {name} is true or false")
    _require(_are_tables(rates), f"{where}: [[models.rates]] expected")
    model = AIModel(slug=slug, **fields)
    _require_storable(model, where)
    file.models.append(model)
    read = [_read_rate(model, dict(rate), flags) for rate in rates]
    _complete_cards(model, rates, read)
    file.rates += read


def _complete_cards(
    model: AIModel, tables: Sequence[dict[str, Any]], rates: Sequence[Rate]
) -> None:
    """Give each band what the first one says of the whole card, where it says nothing itself.

    :raises InvalidRateCard: if a card has no first band, one of its bands contradicts it, or a fee is all that it says
    """
    firsts = {rate.starts_at: rate for rate in rates if rate.prompt_tokens_from == 0}
    priced = {rate.starts_at for rate in rates if rate.input is not None}
    for table, rate in zip(tables, rates, strict=True):
        where = f"model {model.slug}, rate of {rate.starts_at:%Y-%m-%d}"
        first = firsts.get(rate.starts_at)
        if first is None:
            raise InvalidRateCard(f"{where}: no band from 0 tokens: a shorter prompt has no price")
        if "per_request" not in table:
            rate.per_request = first.per_request
        _require_agreement(first, rate)
        _require(
            not rate.per_request or rate.starts_at in priced,
            f"{where}: per_request without input and output: no work could be charged by it",
        )


def _read_rate(model: AIModel, table: dict[str, Any], flags: dict[str, Any]) -> Rate:
    starts_on = table.pop("starts_on", None)
    where = f"model {model.slug}, rate of {starts_on}"
    is_date = isinstance(starts_on, date) and not isinstance(starts_on, datetime)
    _require(is_date, f"{where}: starts_on is a date, like 2026-10-07")
    band = table.pop("prompt_tokens_from", 0)
    _require(type(band) is int and band >= 0, f"{where}: prompt_tokens_from is a whole number")
    prices = {name: _price(table.pop(name), f"{where}: {name}") for name in PRICES if name in table}
    _require(not table, f"{where}: unknown {', '.join(table)}")
    _require_chargeable(prices, where)
    begins_at = datetime.combine(starts_on or date.min, time(), UTC)
    rate = Rate(model=model, starts_at=begins_at, prompt_tokens_from=band, **prices, **flags)
    _require_storable(rate, where)
    return rate


def _require_storable(row: AIModel | Rate, where: str) -> None:
    """Refuse what is longer or larger than its column."""
    try:
        row.clean_fields(exclude=["model"])
    except ValidationError as error:
        name, sentences = next(iter(error.message_dict.items()))
        raise InvalidRateCard(f"{where}: {name}: {sentences[0]}") from error


def _require_chargeable(prices: dict[str, Decimal], where: str) -> None:
    """Refuse prices that no work could be charged by."""
    priced = [name for name in ("input", "output") if name in prices]
    if len(priced) == 1:
        missing = "output" if priced == ["input"] else "input"
        raise InvalidRateCard(f"{where}: {missing} is missing: a band has both, or is not priced")
    others = [name for name in PRICES if name in prices and name not in ("per_request", "per_unit")]
    _require(priced or not others, f"{where}: {', '.join(others)} without input and output")
    _require(
        not prices.get("per_unit"), f"{where}: per_unit cannot be charged: no work tells its units"
    )


def _price(value: Any, where: str) -> Decimal:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    price = Decimal(value) if is_number else Decimal("NaN")
    _require(price.is_finite() and price >= 0, f"{where} is a number, 0 or more")
    _require(price < 10**13, f"{where} is too large")
    _require(price == price.quantize(PLACES), f"{where} has more than six decimal places")
    return price


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _require(holds: Any, sentence: str) -> None:
    if not holds:
        raise InvalidRateCard(sentence)


def _require_unique(file: RateCardFile) -> None:
    slugs = [model.slug for model in file.models]
    keys = [_key(rate) for rate in file.rates]
    providers = [model.provider for model in file.models if model.is_fallback]
    _require(len(set(slugs)) == len(slugs), "a model is there twice")
    _require(len(set(keys)) == len(keys), "a model has two rates of one date and band")
    _require(len(set(providers)) == len(providers), "a provider has two fallbacks")


def _key(rate: Rate) -> tuple[str, datetime, int]:
    return rate.model_id, rate.starts_at, rate.prompt_tokens_from


def _changes(
    subject: str, new: AIModel | Rate, old: AIModel | Rate | None, names: tuple[str, ...]
) -> list[Change]:
    if old is None:
        said = (f"{name} {_text(value)}" for name in names if (value := getattr(new, name)))
        return [Change(subject, "new", "–", ", ".join(said))]
    return [
        Change(subject, name, _text(getattr(old, name)), _text(getattr(new, name)))
        for name in names
        if getattr(old, name) != getattr(new, name)
    ]


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
