"""A rate card in a TOML file: what it says, or where it is wrong."""

import re
import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from organizations.models import UsageProfile
from usage.models import AIModel, Rate
from usage.services import credit
from usage.services.rate_card import InvalidRateCard, PriceList, require_chargeable
from usage.units import REQUESTS, UNITS

BUNDLED = Path(__file__).parent.parent / "data" / "rate_card.toml"
"""The rate card that comes with Purser."""

FLAGS = {
    "is_fallback": False,
    "input_includes_cached": False,
    "output_includes_reasoning": True,
}
PLACES = 20
_CREDIT = re.compile(r"\s*credit_usd\s*=")
_TABLE = re.compile(r"\s*\[\[\s*models\s*(\.\s*rates\s*)?\]\]")


def read(path: Path) -> PriceList:
    """Read a rate card from a TOML file.

    :raises InvalidRateCard: if it is not one
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text, parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, InvalidOperation) as error:
        raise InvalidRateCard(f"{path}: {error}") from error
    tables, said = content.pop("models", None), content.pop("credit_usd", None)
    if content or not _are_tables(tables):
        raise InvalidRateCard(
            f"{path}: [[models]] tables expected, before them credit_usd, and nothing else"
        )
    found = PriceList([], [], credit_usd=_credit(said, _line_of(text)))
    for table, lines in zip_longest(tables, _lines(text)[: len(tables)]):
        _read_model(dict(table), found, lines or [])
    require_chargeable(found)
    return found


def _line_of(text: str) -> int:
    """Return the line on which what a credit is is said."""
    found = (n for n, line in enumerate(text.splitlines(), 1) if _CREDIT.match(line))
    return next(found, 0)


def _credit(value: Any, line: int) -> Decimal | None:
    """Return what a file says that a credit is; None if it says nothing of it."""
    if value is None:
        return None
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    _require(is_number, f"credit_usd{_on(line)}: a number like 0.01 is expected")
    try:
        return credit.read(str(value))
    except ValueError as error:
        raise InvalidRateCard(f"credit_usd{_on(line)}: {error}") from error


def _lines(text: str) -> list[list[int]]:
    """Return the lines on which models begin, each with those of its rates."""
    found: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        begins = _TABLE.match(line)
        if begins and not begins[1]:
            found.append([number])
        elif begins and found:
            found[-1].append(number)
    return found


def _read_model(table: dict[str, Any], found: PriceList, lines: list[int]) -> None:
    slug, line = table.pop("id", None), lines[0] if lines else 0
    if not isinstance(slug, str) or not slug:
        raise InvalidRateCard(f"a model without an id{_on(line)}")
    where = f"model {slug}{_on(line)}"
    rates = table.pop("rates", [])
    fields = {name: table.pop(name, default) for name, default in FLAGS.items()}
    for name, flag in fields.items():
        _require(isinstance(flag, bool), f"{where}: {name} is true or false")
    aliases = table.pop("aliases", None)
    fields |= {name: table.pop(name, None) for name in ("name", "provider", "tier")}
    retired_at = _retired_at(table.pop("retired_on", None), where)
    _require(not table, f"{where}: unknown {', '.join(table)}")
    for name in ("name", "provider"):
        _require(isinstance(fields[name], str) and fields[name], f"{where}: {name} is missing")
    tiers = UsageProfile.Tier.values
    _require(fields["tier"] in tiers, f"{where}: tier is one of {', '.join(tiers)}")
    _require(_are_tables(rates) or rates == [], f"{where}: [[models.rates]] expected")
    model = AIModel(slug=slug, retired_at=retired_at, **fields)
    _require_storable(model, where)
    # None says nothing, until it is compared with what is there.
    model.__dict__["aliases"] = _aliases(aliases, where)
    _require_another(model, found, where)
    found.models.append(model)
    for number, rate in enumerate(rates, 1):
        on = lines[number] if number < len(lines) else 0
        read = _read_rates(model, dict(rate), found, on)
        found.rates += read
        found.lines.setdefault((slug, read[0].starts_at), on)


def _aliases(value: Any, where: str) -> list[str] | None:
    """Return the aliases that a table says; None if it says nothing of them."""
    if value is None:
        return None
    are_names = isinstance(value, list) and all(
        isinstance(each, str) and 0 < len(each) <= 80 and each.isprintable() for each in value
    )
    _require(are_names, f"{where}: aliases is a list of names of up to 80 characters")
    _require(len(set(value)) == len(value), f"{where}: an alias is there twice")
    return list(value)


def _retired_at(value: Any, where: str) -> datetime | None:
    """Return from when on a model is retired; None if a table says nothing of it."""
    if value is None:
        return None
    is_date = isinstance(value, date) and not isinstance(value, datetime)
    _require(is_date, f"{where}: retired_on is a date, like 2026-10-07")
    return datetime.combine(value, time(), UTC)


def _read_rates(model: AIModel, table: dict[str, Any], found: PriceList, line: int) -> list[Rate]:
    """Return what a table says: a rate for each unit that it names."""
    starts_on = table.pop("starts_on", None)
    where = f"model {model.slug}, rate of {starts_on}{_on(line)}"
    is_date = isinstance(starts_on, date) and not isinstance(starts_on, datetime)
    _require(is_date, f"{where}: starts_on is a date, like 2026-10-07")
    start = table.pop("prompt_tokens_from", 0)
    _require(type(start) is int and start >= 0, f"{where}: prompt_tokens_from is a whole number")
    said = {name: table.pop(name, "") for name in ("variant", "hours")}
    for name, text in said.items():
        _require(isinstance(text, str), f"{where}: {name} is a text")
    least = _at_least(table.pop("at_least", {}), where)
    unknown = [name for name in table if name not in UNITS]
    _require(not unknown, f"{where}: unknown {', '.join(unknown)}")
    begins_at = datetime.combine(starts_on or date.min, time(), UTC)
    amounts: dict[str, Decimal | None] = {
        unit: _price(value, f"{where}: {unit}") for unit, value in table.items()
    }
    if not amounts:
        amounts = _unpriced(model, begins_at, found.rates)
        _require(start and amounts, f"{where}: it prices nothing")
    there = {rate.step for rate in _of_card(model, begins_at, found.rates)}
    for unit in amounts:
        is_new = (unit, *said.values(), start) not in there
        _require(is_new, f"{where}: {unit} has a price of this date and band already")
    return [
        _rate(
            where,
            model=model,
            starts_at=begins_at,
            unit=unit,
            amount=amount,
            prompt_tokens_from=start,
            at_least=least.pop(unit, 0),
            **said,
        )
        for unit, amount in amounts.items()
    ]


def _unpriced(model: AIModel, starts_at: datetime, before: list[Rate]) -> dict[str, Decimal | None]:
    """Return that what a card prices is known to cost something else from here on, and not what."""
    same = _of_card(model, starts_at, before)
    return dict.fromkeys(rate.unit for rate in same if rate.unit != REQUESTS)


def _of_card(model: AIModel, starts_at: datetime, rates: list[Rate]) -> list[Rate]:
    # Those of a model are the last that were read.
    own = takewhile(lambda rate: rate.model_id == model.slug, reversed(rates))
    return [rate for rate in own if rate.starts_at == starts_at]


def _at_least(table: Any, where: str) -> dict[str, int]:
    is_one = isinstance(table, dict) and all(
        name in UNITS and type(least) is int and least >= 0 for name, least in table.items()
    )
    _require(is_one, f"{where}: at_least is a table of units and whole numbers")
    return dict(table)


def _rate(where: str, **fields: Any) -> Rate:
    rate = Rate(**fields)
    _require_storable(rate, where)
    return rate


def _require_storable(row: AIModel | Rate, where: str) -> None:
    """Refuse what is longer or larger than its column."""
    try:
        row.clean_fields(exclude=["model"])
    except ValidationError as error:
        name, sentences = next(iter(error.message_dict.items()))
        raise InvalidRateCard(f"{where}: {name}: {sentences[0]}") from error
    for name, value in vars(row).items():
        is_text = not isinstance(value, str) or value.isprintable()
        _require(is_text, f"{where}: {name} has a character that cannot be printed")


def _price(value: Any, where: str) -> Decimal:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    price = Decimal(value) if is_number else Decimal("NaN")
    _require(price.is_finite() and price >= 0, f"{where} is a number, 0 or more")
    _require(price < 10**13, f"{where} is too large")
    exponent = price.normalize().as_tuple().exponent
    _require(
        isinstance(exponent, int) and exponent >= -PLACES,
        f"{where} has more than twenty decimal places",
    )
    return price


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _on(line: int) -> str:
    return f" (line {line})" if line else ""


def _require(holds: Any, sentence: str) -> None:
    if not holds:
        raise InvalidRateCard(sentence)


def _require_another(model: AIModel, found: PriceList, where: str) -> None:
    """Refuse a model that is there already, and a second fallback of a provider."""
    for other in found.models:
        _require(other.slug != model.slug, f"{where}: it is there twice")
        both = model.is_fallback and other.is_fallback and other.provider == model.provider
        _require(not both, f"{where}: {other.slug} is the fallback of {model.provider} already")
