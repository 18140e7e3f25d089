"""Changing the rate card: what a list of prices would change, whether work can be charged by it, and changing it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from itertools import combinations, groupby
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from credits.models import Catalogue
from organizations.history import LENGTH, UNSAID, delete_signed, sign
from usage.models import AIModel, Rate
from usage.services import credit
from usage.units import OUTPUT, UNITS, WHOLES, overlap

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
RATE_FIELDS = ("amount", "at_least")
AT_ONCE = 2_000
"""How many rows are written by one statement."""
Card = tuple[str, datetime]
"""Which card: of which model, from when on."""
Step = tuple[str, str, str, int]
"""Which row of a card."""
Progress = Callable[[int, int], None]


def _say_nothing(done: int, of: int) -> None:
    """Tell nobody how far a load is."""


class InvalidRateCard(Exception):
    """The prices cannot be a rate card; the message says where, and what was expected."""


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


@dataclass
class PriceList:
    """Models and rates as somebody lists them, not saved. A card that it names it says as a whole."""

    models: list[AIModel]
    rates: list[Rate]
    left_out: list[str] = field(default_factory=list)
    """What somebody lists that cannot be a card: which model, and why."""
    whole_of: set[str] = field(default_factory=set)
    """The providers of which it lists all models that there are."""
    credit_usd: Decimal | None = None
    """How many US dollars a credit of its prices stands for; None if it does not say so."""
    lines: dict[Card, int] = field(default_factory=dict)
    """On which line of a file each card begins, where it is one."""
    deprecated: dict[str, date | None] = field(default_factory=dict)
    """The models that its keeper calls deprecated, each with the day on which it ends, where that is said."""


class _Cards:
    """The cards of some models as they are: of each the rates by their step, oldest first."""

    def __init__(self, slugs: Collection[str]) -> None:
        self._of: dict[str, dict[datetime, dict[Step, Rate]]] = {}
        ordered = Rate.objects.filter(model__in=slugs).order_by("model", "starts_at")
        for rate in ordered:
            self.put(rate)

    def put(self, rate: Rate) -> None:
        cards = self._of.setdefault(rate.model_id, {})
        cards.setdefault(rate.starts_at, {})[rate.step] = rate

    def exact(self, card: Card) -> dict[Step, Rate]:
        """Return the card that begins then."""
        return self._of.get(card[0], {}).get(card[1], {})

    def in_force(self, card: Card) -> dict[Step, Rate]:
        """Return the card that is in force then."""
        slug, moment = card
        begun = [starts_at for starts_at in self._of.get(slug, {}) if starts_at <= moment]
        return self._of[slug][max(begun)] if begun else {}


def differing(listed: PriceList, *, since: datetime) -> PriceList:
    """Return of a list that others keep what it says otherwise than the cards in force; where a credit becomes another, all cards with it.
    How a model that is there is called, and for whom it is, stays as staff have it.

    :param listed: its cards, those of a model by their beginning
    :param since: from when on all others are rescaled
    :raises InvalidRateCard: if a price becomes higher than one may be
    """
    there = set(AIModel.objects.filter(slug__in=_slugs(listed)).values_list("slug", flat=True))
    cards, rates = _Cards(_slugs(listed)), list[Rate]()
    scaled = _rescaled(listed, since)
    for rate in scaled:
        cards.put(rate)
    for card, group in groupby(listed.rates, key=_card):
        wanted = list(group)
        if _said(cards.in_force(card).values()) != _said(wanted):
            rates += wanted
            for rate in wanted:
                cards.put(rate)
    new = [model for model in listed.models if model.slug not in there]
    said = {_card(rate) for rate in rates}
    rates += [rate for rate in scaled if _card(rate) not in said]
    return replace(listed, models=new, rates=rates)


def completed(listed: PriceList, *, since: datetime) -> PriceList:
    """Return what a file says, and where it says that a credit is another, the cards of all models that it does not name with it.

    :raises InvalidRateCard: if a price becomes higher than one may be
    """
    scaled = _rescaled(listed, since, but=_slugs(listed))
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
    slugs = _slugs(listed)
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
    models = AIModel.objects.in_bulk(_slugs(wanted))
    cards, changes = _Cards(_slugs(wanted)), _credit_changes(wanted)
    for model in wanted.models:
        changes += _changes(model.slug, model, models.get(model.slug), MODEL_FIELDS)
    for card, group in groupby(sorted(wanted.rates, key=_card), key=_card):
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


@transaction.atomic(savepoint=False)
def load(
    wanted: PriceList, *, performed_by: str = UNSAID, progress: Progress = _say_nothing
) -> None:
    """Make the database say what a list says of its models and cards, with a history of each change.

    :param progress: is told how many rows are written, and of how many
    """
    # Whoever changes the catalogue raises its version: first of all, so that two who load cards do not wait for each other.
    Catalogue.objects.select_for_update(no_key=True).get()
    if wanted.credit_usd is not None:
        credit.keep(wanted.credit_usd)
    _load_models(wanted.models, performed_by)
    cards, new, changed, gone = _Cards(_slugs(wanted)), list[Rate](), list[Rate](), list[Rate]()
    for card, group in groupby(sorted(wanted.rates, key=_card), key=_card):
        rates = {rate.step: rate for rate in group}
        known = cards.exact(card)
        gone += [rate for step, rate in known.items() if step not in rates]
        for step, rate in rates.items():
            before = known.get(step)
            rate.pk = before.pk if before else None
            if before is None:
                new.append(rate)
            elif _values(rate) != _values(before):
                changed.append(rate)
    delete_signed(gone, performed_by=performed_by)
    _write(Rate, new, changed, RATE_FIELDS, performed_by=performed_by, progress=progress)


def _load_models(models: Sequence[AIModel], performed_by: str) -> None:
    keep_unsaid(models)
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
    _write(AIModel, new, changed, MODEL_FIELDS, performed_by=performed_by)


def keep_unsaid(models: Sequence[AIModel]) -> None:
    """Give models of which a list says no aliases, or not whether they are retired, what they have."""
    there = AIModel.objects.in_bulk([model.slug for model in models])
    for model in models:
        current = there.get(model.slug)
        if model.aliases is None:
            model.aliases = current.aliases if current else []
        if model.retired_at is None and current is not None:
            model.retired_at = current.retired_at


def _write(
    kind: type[AIModel] | type[Rate],
    new: Sequence[Any],
    changed: Sequence[Any],
    fields: Sequence[str],
    *,
    performed_by: str,
    progress: Progress = _say_nothing,
) -> None:
    """Write rows of one kind and their history, many at once."""
    said, of = {"default_change_reason": performed_by[:LENGTH]}, len(new) + len(changed)
    for done in range(0, len(new), AT_ONCE):
        bulk_create_with_history(new[done : done + AT_ONCE], kind, **said)
        progress(min(done + AT_ONCE, len(new)), of)
    for done in range(0, len(changed), AT_ONCE):
        bulk_update_with_history(changed[done : done + AT_ONCE], kind, list(fields), **said)
        progress(len(new) + min(done + AT_ONCE, len(changed)), of)


def beside(rate: Rate) -> QuerySet[Rate]:
    """Return the other rates of a rate's card."""
    card = Rate.objects.filter(model=rate.model_id, starts_at=rate.starts_at)
    return card.exclude(pk=rate.pk).order_by("unit", "variant", "hours", "prompt_tokens_from")


def require_chargeable(listed: PriceList) -> None:
    """Refuse cards that cannot charge what they price.

    :raises InvalidRateCard: naming the model, the date, the line and the units
    """
    for card, rates in groupby(sorted(listed.rates, key=_card), key=_card):
        problem = problem_of(list(rates))
        if problem is not None:
            (slug, starts_at), line = card, listed.lines.get(card)
            on = f" (line {line})" if line else ""
            raise InvalidRateCard(f"model {slug}, rate of {starts_at:%Y-%m-%d}{on}: {problem}")


def problem_of(card: Sequence[Rate]) -> str | None:
    """Return why work could not be charged by the rates of one card, in words; None if it could."""
    for step, rates in _steps(card):
        if min(rate.prompt_tokens_from for rate in rates) > 0:
            return f"{step}: no price from 0 tokens on: a shorter prompt would have none"
        if len({rate.at_least for rate in rates}) > 1:
            return f"{step}: at_least is not the same for prompts of all lengths"
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


def _slugs(listed: PriceList) -> set[str]:
    return {model.slug for model in listed.models} | {rate.model_id for rate in listed.rates}


def _card(rate: Rate) -> Card:
    return rate.model_id, rate.starts_at


def _values(rate: Rate) -> tuple[Any, ...]:
    return tuple(getattr(rate, name) for name in RATE_FIELDS)


def _said(rates: Iterable[Rate]) -> dict[Step, tuple[Any, ...]]:
    return {rate.step: _values(rate) for rate in rates}


def _card_changes(new: Mapping[Step, Rate], old: Mapping[Step, Rate]) -> list[Change]:
    changes = []
    for step, rate in new.items():
        changes += _changes(str(rate), rate, old.get(step), RATE_FIELDS)
    missing = (rate for step, rate in old.items() if step not in new)
    return changes + [
        Change(Kind.GONE, str(rate), "amount", _text(rate.amount), "–") for rate in missing
    ]


def _changes(
    subject: str, new: AIModel | Rate, old: AIModel | Rate | None, names: tuple[str, ...]
) -> list[Change]:
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
