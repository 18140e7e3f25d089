"""What a list of prices would change: which models and cards it says otherwise than they are, and what has to go with them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Any

from usage.models import AIModel, Rate
from usage.services import credit
from usage.services.rate_card.lists import (
    RATE_FIELDS,
    Cards,
    InvalidRateCard,
    PriceList,
    Step,
    card_of,
    said_by,
    slugs_of,
)

MODEL_FIELDS = (
    "name",
    "provider",
    "tier",
    "is_fallback",
    "input_includes_cached",
    "output_includes_reasoning",
    "aliases",
    "retired_at",
)


class Kind(StrEnum):
    """What a change does."""

    DEARER = "dearer"
    CHEAPER = "cheaper"
    NEW = "new"
    GONE = "gone"
    OTHER = "other"


@dataclass(frozen=True)
class Change:
    """One difference between a list and the database: which field of what, from what, to what."""

    kind: Kind
    subject: str
    field: str
    before: str
    after: str


def differing(listed: PriceList, *, since: datetime) -> PriceList:
    """Return of a list that others keep what it says otherwise than the cards in force; where a credit becomes another, all cards with it.
    How a model that is there is called, and for whom it is, stays as staff have it.

    :param listed: its cards, those of a model by their beginning
    :param since: from when on all others are rescaled
    :raises InvalidRateCard: if a price becomes higher than one may be
    """
    there = set(AIModel.objects.filter(slug__in=slugs_of(listed)).values_list("slug", flat=True))
    cards, rates = Cards(slugs_of(listed)), list[Rate]()
    scaled = _rescaled(listed, since)
    for rate in scaled:
        cards.put(rate)
    for card, group in groupby(listed.rates, key=card_of):
        wanted = list(group)
        if said_by(cards.in_force(card).values()) != said_by(wanted):
            rates += wanted
            for rate in wanted:
                cards.put(rate)
    new = [model for model in listed.models if model.slug not in there]
    said = {card_of(rate) for rate in rates}
    rates += [rate for rate in scaled if card_of(rate) not in said]
    return replace(listed, models=new, rates=rates)


def completed(listed: PriceList, *, since: datetime) -> PriceList:
    """Return what a file says, and where it says that a credit is another, the cards of all models that it does not name with it.

    :raises InvalidRateCard: if a price becomes higher than one may be
    """
    scaled = _rescaled(listed, since, but=slugs_of(listed))
    return replace(listed, rates=[*listed.rates, *scaled])


def _rescaled(listed: PriceList, since: datetime, but: Collection[str] = ()) -> list[Rate]:
    if listed.credit_usd is None:
        return []
    try:
        return credit.rescaled(listed.credit_usd, since=since, but=but)
    except credit.TooDear as error:
        raise InvalidRateCard(f"credit_usd: {error}") from error


def not_listed(listed: PriceList) -> list[str]:
    """Return the models of the providers that a list has all models of, which it does not have: those that are not retired."""
    there = AIModel.objects.filter(provider__in=listed.whole_of, retired_at=None).order_by("slug")
    slugs = slugs_of(listed)
    return [slug for slug in there.values_list("slug", flat=True) if slug not in slugs]


def deprecated(listed: PriceList) -> list[str]:
    """Return the models that a list calls deprecated and that are not retired."""
    retired = AIModel.objects.filter(slug__in=listed.deprecated).exclude(retired_at=None)
    return sorted(listed.deprecated.keys() - set(retired.values_list("slug", flat=True)))


def retiring(listed: PriceList, wanted: PriceList, at: datetime) -> PriceList:
    """Return what is wanted, with the models retired that a list calls deprecated, or does not have any more: from a moment on, or from the day
    that it says, if that is later."""
    slugs = {*deprecated(listed), *not_listed(listed)}
    there = AIModel.objects.filter(slug__in=slugs).order_by("slug")
    models = [*wanted.models, *there]
    for model in models:
        if model.slug in slugs:
            model.retired_at = max(at, _begin(listed.deprecated.get(model.slug)) or at)
    return replace(wanted, models=models)


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


def compare(wanted: PriceList) -> list[Change]:
    """Return what loading a list would change, in its order. A new card is compared with the one that is in force when it begins. What
    the list does not name stays."""
    keep_unsaid(wanted.models)
    models = AIModel.objects.in_bulk(slugs_of(wanted))
    cards, changes = Cards(slugs_of(wanted)), _credit_changes(wanted)
    for model in wanted.models:
        changes += changes_of(model.slug, model, models.get(model.slug), MODEL_FIELDS)
    for card, group in groupby(sorted(wanted.rates, key=card_of), key=card_of):
        new = {rate.step: rate for rate in group}
        own = cards.exact(card)
        found = _card_changes(new, own or cards.in_force(card))
        if not own and not found:
            found = [
                Change(Kind.OTHER, f"{card[0]} from {card[1]:%Y-%m-%d}", "card", "–", "the same")
            ]
        changes += found
        for rate in new.values():
            cards.put(rate)
    return changes


def _credit_changes(wanted: PriceList) -> list[Change]:
    """Return that a credit becomes another: one of less makes everything dearer."""
    before, after = credit.current(), wanted.credit_usd
    if after is None or after == before:
        return []
    kind = Kind.DEARER if after < before else Kind.CHEAPER
    said = (credit.in_words(each) for each in (before, after))
    return [Change(kind, "everything", "a credit", *said)]


def keep_unsaid(models: Sequence[AIModel]) -> None:
    """Give models of which a list says no aliases, or not whether they are retired, what they have."""
    there = AIModel.objects.in_bulk([model.slug for model in models])
    for model in models:
        current = there.get(model.slug)
        if model.aliases is None:
            model.aliases = current.aliases if current else []
        if model.retired_at is None and current is not None:
            model.retired_at = current.retired_at


def _card_changes(new: Mapping[Step, Rate], old: Mapping[Step, Rate]) -> list[Change]:
    changes = []
    for step, rate in new.items():
        changes += changes_of(str(rate), rate, old.get(step), RATE_FIELDS)
    missing = (rate for step, rate in old.items() if step not in new)
    return changes + [
        Change(Kind.GONE, str(rate), "amount", _text(rate.amount), "–") for rate in missing
    ]


def changes_of(
    subject: str, new: AIModel | Rate, old: AIModel | Rate | None, names: tuple[str, ...]
) -> list[Change]:
    """Return in which of some fields a row would become another; that it is new, where there is none."""
    if old is None:
        said = (f"{name} {_text(value)}" for name in names if (value := getattr(new, name)))
        return [Change(Kind.NEW, subject, "new", "–", ", ".join(said))]
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in names)
    return [
        Change(_kind(name, before, after), subject, name, _text(before), _text(after))
        for name, before, after in pairs
        if before != after
    ]


def _kind(name: str, before: Any, after: Any) -> Kind:
    if name == "retired_at" and after is not None:
        return Kind.GONE
    if isinstance(before, Decimal) and isinstance(after, Decimal):
        return Kind.DEARER if after > before else Kind.CHEAPER
    return Kind.OTHER


def _text(value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
