"""New prices of a model from a moment that is to come: written as a whole card, taken back before it begins, and how far they leap."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from credits.models import Catalogue
from organizations.history import LENGTH, delete_signed
from organizations.proposals import WINDOW
from usage.models import AIModel, Rate
from usage.pricing import EXACT
from usage.services import rate_card, rates
from usage.services.rate_card import InvalidRateCard, PriceList, Step
from usage.units import UNITS, WHOLES

ANY_LEAP = Decimal("Infinity")
"""From nothing to something."""


class NotToCome(Exception):
    """The card has begun: what was charged by it stays explained, so it stays as it is."""


@transaction.atomic(savepoint=False)
def write_card(*, card: Sequence[Rate], performed_by: str, now: datetime) -> None:
    """Write the prices of a model from a moment on, as its whole card from then on: what it does not name is gone from it.

    :raises NotToCome: if they would begin before now, and not be its first
    :raises InvalidRateCard: if work could not be charged by them
    """
    if not card:
        raise InvalidRateCard("a card has at least one price")
    model, starts_at = card[0].model, card[0].starts_at
    if has_begun(model, now):
        _require_to_come(starts_at, now)
    listed = PriceList([], list(card))
    rate_card.require_chargeable(listed)
    rate_card.load(listed, performed_by=performed_by)


@transaction.atomic(savepoint=False)
def take_back(*, model: AIModel, starts_at: datetime, performed_by: str, now: datetime) -> int:
    """Delete a card that is to come, and return how many prices it had.

    :raises NotToCome: if it has begun
    """
    _require_to_come(starts_at, now)
    Catalogue.objects.select_for_update(no_key=True).get()
    card = list(Rate.objects.filter(model=model, starts_at=starts_at))
    delete_signed(card, performed_by=performed_by)
    return len(card)


def has_begun(model: AIModel, now: datetime) -> bool:
    """Whether a model has, or had, any price by now: its first may begin at once."""
    return Rate.objects.filter(model=model, starts_at__lte=now).exists()


def card_at(model: AIModel, moment: datetime) -> list[Rate]:
    """Return the prices of a model that are in force at a moment, as they are written."""
    begun = Rate.objects.filter(model=model, starts_at__lte=moment).order_by("-starts_at")
    first = begun.values_list("starts_at", flat=True).first()
    return [] if first is None else list(begun.filter(starts_at=first).select_related("model"))


def base_of(model: AIModel, moment: datetime, *, author: str, now: datetime) -> list[Rate]:
    """Return the prices from which a leap of somebody is measured: those in force at a moment that they did not write themselves of late.

    So a leap cannot be cut into pieces that are small enough.
    """
    lately = Rate.history.filter(
        model_id=model.pk, history_change_reason=author[:LENGTH], history_date__gt=now - WINDOW
    )
    own = set(lately.values_list("starts_at", flat=True))
    begun = Rate.objects.filter(model=model, starts_at__lte=moment).exclude(starts_at__in=own)
    first = begun.order_by("-starts_at").values_list("starts_at", flat=True).first()
    return [] if first is None else list(begun.filter(starts_at=first))


def leap(before: Iterable[Rate], after: Iterable[Rate]) -> tuple[Decimal, str]:
    """Return by how many percent the price changes that changes most, up or down, and what it is of.

    A price that comes or goes is compared with what was, or will be, charged for it instead: that of its whole.
    """
    old, new = ({rate.step: rate.amount for rate in side} for side in (before, after))
    most, of = Decimal(0), ""
    for step in sorted({*old, *new}):
        was, becomes = charged_by(old, step), charged_by(new, step)
        if was is None or becomes is None or was == becomes:
            continue
        percent = EXACT.divide(abs(becomes - was) * 100, was) if was else ANY_LEAP
        if percent > most:
            most, of = percent, ", ".join(str(part) for part in step if part)
    return most, of


def charged_by(card: Mapping[Step, Decimal | None], step: Step) -> Decimal | None:
    """Return what work of a step is charged by on a card: its own price, or that of what it is a part of. None if it has none."""
    unit, variant, hours, start = step
    for when in dict.fromkeys([(variant, hours), (variant, ""), ("", hours), ("", "")]):
        reached = [each for each in card if each[:3] == (unit, *when) and each[3] <= start]
        if reached:
            return card[max(reached, key=lambda each: each[3])]
    wholes = sorted(WHOLES[unit], key=lambda whole: -len(UNITS[whole].dimensions))
    found = (charged_by(card, (whole, variant, hours, start)) for whole in wholes)
    return next((amount for amount in found if amount is not None), None)


def is_missing(rate: Rate, card: Sequence[Rate]) -> bool:
    """Whether a rate says the price of what nothing on a card charges: work of it was refused, so nothing that was charged changes."""
    of_others = [each for each in card if each.step != rate.step]
    if not of_others:
        return False
    sheet = rates.card_of(of_others).sheet(rate.variant)
    return not rate.hours and not rate.prompt_tokens_from and bool(sheet.unpriced({rate.unit: 1}))


def _require_to_come(starts_at: datetime, now: datetime) -> None:
    if starts_at <= now:
        raise NotToCome(
            f"prices of {starts_at:%Y-%m-%d %H:%M} UTC have begun: they stay as they are"
        )


def payload_of(card: Sequence[Rate]) -> dict[str, Any]:
    """Return a card as JSON: what `rates_in` reads."""
    return {
        "model": card[0].model_id,
        "starts_at": card[0].starts_at.isoformat(),
        "rates": [
            [
                *(rate.unit, rate.prompt_tokens_from, rate.variant, rate.hours),
                *(None if rate.amount is None else f"{rate.amount.normalize():f}", rate.at_least),
            ]
            for rate in card
        ],
    }


def rates_in(payload: Mapping[str, Any]) -> list[Rate]:
    """Return the card that `payload_of` wrote, not saved.

    :raises AIModel.DoesNotExist: if the model is gone
    """
    model = AIModel.objects.get(pk=payload["model"])
    starts_at = datetime.fromisoformat(payload["starts_at"])
    return [
        Rate(
            model=model,
            starts_at=starts_at,
            unit=unit,
            prompt_tokens_from=start,
            variant=variant,
            hours=hours,
            amount=None if amount is None else Decimal(amount),
            at_least=least,
        )
        for unit, start, variant, hours, amount, least in payload["rates"]
    ]
