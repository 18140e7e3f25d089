"""Changing the rate card: what a list of prices would change, whether work can be charged by it, and changing it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import combinations, groupby
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from credits.models import Catalogue
from organizations.history import LENGTH, UNSAID, delete_signed, sign
from usage.models import AIModel, Rate
from usage.units import OUTPUT, UNITS, WHOLES, overlap

MODEL_FIELDS = (
    "name",
    "provider",
    "tier",
    "is_fallback",
    "input_includes_cached",
    "output_includes_reasoning",
)
RATE_FIELDS = ("amount", "at_least")
Card = tuple[str, datetime]
"""Which card: of which model, from when on."""


class InvalidRateCard(Exception):
    """The prices cannot be a rate card; the message says where, and what was expected."""


@dataclass(frozen=True)
class Change:
    """One difference between a list and the database: which field of what, from what, to what."""

    subject: str
    field: str
    before: str
    after: str


@dataclass
class PriceList:
    """Models and rates as somebody lists them, not saved. A card that it names it says as a whole."""

    models: list[AIModel]
    rates: list[Rate]


def compare(wanted: PriceList) -> list[Change]:
    """Return what loading a list would change, in its order. What it does not name stays."""
    models = AIModel.objects.in_bulk([model.slug for model in wanted.models])
    changes = []
    for model in wanted.models:
        changes += _changes(model.slug, model, models.get(model.slug), MODEL_FIELDS)
    known = _known(wanted)
    for rate in wanted.rates:
        changes += _changes(str(rate), rate, known.pop(_key(rate), None), RATE_FIELDS)
    return changes + [Change(str(rate), "gone", _text(rate.amount), "–") for rate in known.values()]


@transaction.atomic(savepoint=False)
def load(wanted: PriceList, *, performed_by: str = UNSAID) -> None:
    """Make the database say what a list says of its models and cards, with a history of each change."""
    # Whoever changes the catalogue raises its version: first of all, so that two who load cards do not wait for each other.
    Catalogue.objects.select_for_update(no_key=True).get()
    _load_models(wanted.models, performed_by)
    known = _known(wanted)
    new, changed = [], []
    for rate in wanted.rates:
        before = known.pop(_key(rate), None)
        rate.pk = before.pk if before else None
        if before is None:
            new.append(rate)
        elif _changes("", rate, before, RATE_FIELDS):
            changed.append(rate)
    delete_signed(list(known.values()), performed_by=performed_by)
    _write(Rate, new, changed, RATE_FIELDS, performed_by)


def _load_models(models: Sequence[AIModel], performed_by: str) -> None:
    fallbacks = {model.provider: model.slug for model in models if model.is_fallback}
    for provider, slug in fallbacks.items():
        for old in AIModel.objects.filter(provider=provider, is_fallback=True).exclude(slug=slug):
            old.is_fallback = False
            sign(old, performed_by=performed_by)
            old.save(update_fields=["is_fallback"])
    there = AIModel.objects.in_bulk([model.slug for model in models])
    new = [model for model in models if model.slug not in there]
    changed = [
        model
        for model in models
        if model.slug in there and _changes("", model, there[model.slug], MODEL_FIELDS)
    ]
    _write(AIModel, new, changed, MODEL_FIELDS, performed_by)


def _write(
    kind: type[AIModel] | type[Rate],
    new: Sequence[Any],
    changed: Sequence[Any],
    fields: Sequence[str],
    performed_by: str,
) -> None:
    """Write rows of one kind and their history, many at once."""
    said = {"batch_size": 1_000, "default_change_reason": performed_by[:LENGTH]}
    if new:
        bulk_create_with_history(new, kind, **said)
    if changed:
        bulk_update_with_history(changed, kind, list(fields), **said)


def beside(rate: Rate) -> QuerySet[Rate]:
    """Return the other rates of a rate's card."""
    card = Rate.objects.filter(model=rate.model_id, starts_at=rate.starts_at)
    return card.exclude(pk=rate.pk).order_by("unit", "variant", "hours", "prompt_tokens_from")


def require_chargeable(rates: Sequence[Rate]) -> None:
    """Refuse cards that cannot charge what they price.

    :raises InvalidRateCard: naming the model, the date and the units
    """
    for (slug, starts_at), card in groupby(sorted(rates, key=_card), key=_card):
        problem = problem_of(list(card))
        if problem is not None:
            raise InvalidRateCard(f"model {slug}, rate of {starts_at:%Y-%m-%d}: {problem}")


def problem_of(card: Sequence[Rate]) -> str | None:
    """Return why work could not be charged by the rates of one card, in words; None if it could."""
    for step, rates in _steps(card):
        if min(rate.prompt_tokens_from for rate in rates) > 0:
            return f"{step}: no price from 0 tokens on: a shorter prompt would have none"
    units = {rate.unit for rate in card if not rate.variant and not rate.hours}
    for rate in card:
        if rate.hours and rate.unit not in units:
            return f"{rate.unit} at {rate.hours}: it has no price for the rest of the day"
    for variant in ["", *sorted({rate.variant for rate in card if rate.variant})]:
        said = f"{variant}: " if variant else ""
        problem = _gap({rate.unit for rate in card if rate.variant in ("", variant)})
        if problem is not None:
            return said + problem
    return None


def _gap(units: Collection[str]) -> str | None:
    """Return which price is missing beside those of some units."""
    for unit in sorted(units):
        missing = sorted(WHOLES[unit] - set(units))
        if missing:
            return f"{unit} without {missing[0]}, of which it is a part"
    for one, other in combinations(sorted(units), 2):
        both = overlap(one, other)
        if both is not None and both not in units:
            return f"{one} and {other} overlap: {both} is missing"
    directions = {dict(UNITS[unit].dimensions).get("direction") for unit in units}
    if OUTPUT in units and "input" not in directions:
        return f"{OUTPUT} without any price of what goes in"
    return None


def _steps(card: Iterable[Rate]) -> Iterable[tuple[str, list[Rate]]]:
    def which(rate: Rate) -> tuple[str, str, str]:
        return rate.unit, rate.variant, rate.hours

    for step, rates in groupby(sorted(card, key=which), key=which):
        yield ", ".join(part for part in step if part), list(rates)


def _known(wanted: PriceList) -> dict[Any, Rate]:
    """Return the rates of the cards that a list names, as they are."""
    cards = {_card(rate) for rate in wanted.rates}
    there = Rate.objects.filter(model__in={slug for slug, _ in cards})
    return {_key(rate): rate for rate in there if _card(rate) in cards}


def _card(rate: Rate) -> Card:
    return rate.model_id, rate.starts_at


def _key(rate: Rate) -> tuple[Any, ...]:
    return *_card(rate), *rate.step


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
