"""Drift: where our cards charge otherwise than the price list that others keep. It is told; prices change only when staff say so.

Compared are the cards as they are written: a markup is a rule beside them, so a deliberate markup is no drift. A price that one side does
not name is compared with what that side charges instead: the price of its whole, of a shorter prompt, of the rest of the day. What one
side does not sell at all, or refuses, is no difference of prices.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from organizations.jobs import Found, Work
from usage.models import AcceptedDifference, AIModel, Rate
from usage.services import credit, price_list
from usage.services.new_prices import charged_by
from usage.services.rate_card import Step

CHECK = "price list"
"""How its findings are called."""
AT_ONCE = 200
"""How many models' cards are read by one statement."""
SAME_TO = 10**12
Amounts = Mapping[Step, Decimal | None]


class Difference(NamedTuple):
    """A price that the list says otherwise."""

    model: str
    step: Step
    own: Decimal
    listed: Decimal
    accepted: AcceptedDifference | None = None

    @property
    def name(self) -> str:
        """What it is of, in words."""
        unit, variant, hours, start = self.step
        said = [unit.replace("_", " "), variant, hours]
        if start:
            said.append(f"prompts from {start:,} tokens")
        return ", ".join(each for each in said if each)

    @property
    def sentence(self) -> str:
        listed, own = (f"{each.normalize():,f}" for each in (self.listed, self.own))
        return f"{self.name}: the list says {listed}, yours {own}"


class Compared(NamedTuple):
    """A model beside the list: whether that has it, and what differs."""

    is_listed: bool
    differences: list[Difference]

    @property
    def open(self) -> list[Difference]:
        """Return those that nobody accepted."""
        return [each for each in self.differences if each.accepted is None]


def compared(slugs: Collection[str], *, now: datetime) -> dict[str, Compared]:
    """Return each of these models beside the list, by what is in force at a moment."""
    listed = listed_cards(slugs, now=now)
    own = _own_cards(slugs, now)
    accepted = _accepted(slugs)
    return {
        slug: Compared(
            slug in listed,
            [
                difference._replace(accepted=_fitting(difference, accepted))
                for difference in _differences(
                    slug, own.get(slug, {}), _amounts(listed.get(slug, ()))
                )
            ],
        )
        for slug in slugs
    }


def listed_cards(slugs: Collection[str], *, now: datetime) -> dict[str, list[Rate]]:
    """Return the cards that the list has of these models on a day, as rates of ours, not saved."""
    day = now.date()
    cards: dict[str, list[Rate]] = {}
    if not slugs:
        return cards
    for rate in price_list.read(since=day, credit_usd=credit.current(), only=slugs).rates:
        if rate.starts_at == datetime.combine(day, time(), UTC):
            cards.setdefault(rate.model_id, []).append(rate)
    return cards


@transaction.atomic
def accept(
    differences: Iterable[Difference], *, reason: str, accepted_by: str, now: datetime
) -> None:
    """Write down that these differences are meant: they are told no more while neither side changes."""
    for each in differences:
        unit, variant, hours, start = each.step
        AcceptedDifference.objects.update_or_create(
            model_id=each.model,
            unit=unit,
            variant=variant,
            hours=hours,
            prompt_tokens_from=start,
            defaults={
                "own": each.own,
                "listed": each.listed,
                "reason": reason,
                "accepted_by": accepted_by,
                "accepted_at": now,
            },
        )


def tell_again(model: AIModel) -> int:
    """Accept nothing of a model any more, and return how much was."""
    return AcceptedDifference.objects.filter(model=model).delete()[0]


def _differences(slug: str, own: Amounts, listed: Amounts) -> list[Difference]:
    found = []
    for step in sorted({*own, *listed}):
        if not _is_sold_so(step, own) or not _is_sold_so(step, listed):
            continue
        ours, theirs = charged_by(own, step), charged_by(listed, step)
        if ours is not None and theirs is not None and not _is_same(ours, theirs):
            found.append(Difference(slug, step, ours, theirs))
    return found


def _is_same(ours: Decimal, theirs: Decimal) -> bool:
    """Whether prices differ by no more than what dollars lose when they become credits."""
    return abs(ours - theirs) * SAME_TO <= theirs


def _amounts(card: Iterable[Rate]) -> Amounts:
    return {rate.step: rate.amount for rate in card}


def _is_sold_so(step: Step, card: Amounts) -> bool:
    """Whether a card has prices of a step's variant."""
    return not step[1] or any(each[1] == step[1] for each in card)


def _own_cards(slugs: Collection[str], now: datetime) -> dict[str, Amounts]:
    """Return of each model the card that is in force, as it is written."""
    ordered = sorted(slugs)
    cards: dict[str, dict[datetime, dict[Step, Decimal | None]]] = {}
    for first in range(0, len(ordered), AT_ONCE):
        some = Rate.objects.filter(model__in=ordered[first : first + AT_ONCE], starts_at__lte=now)
        for rate in some.order_by("model", "starts_at"):
            card = cards.setdefault(rate.model_id, {}).setdefault(rate.starts_at, {})
            card[rate.step] = rate.amount
    return {slug: of[max(of)] for slug, of in cards.items()}


def _accepted(slugs: Collection[str]) -> dict[tuple[str, Step], AcceptedDifference]:
    rows = AcceptedDifference.objects.filter(model__in=slugs)
    return {(row.model_id, row.step): row for row in rows}


def _fitting(
    difference: Difference, accepted: Mapping[tuple[str, Step], AcceptedDifference]
) -> AcceptedDifference | None:
    """Return what was accepted, if it is still this: not once either side says something else."""
    row = accepted.get((difference.model, difference.step))
    is_same = row is not None and (row.own, row.listed) == (difference.own, difference.listed)
    return row if is_same else None


def find(*, now: datetime) -> list[Found]:
    """Return each model of which the list says otherwise, and nobody said that this is meant."""
    working = AIModel.objects.exclude(retired_at__lte=now)
    slugs: Sequence[str] = list(working.values_list("slug", flat=True))
    return [
        Found(CHECK, slug, "\n".join(each.sentence for each in found.open))
        for slug, found in sorted(compared(slugs, now=now).items())
        if found.open
    ]


COMPARE = Work("compare prices", find, is_audit=True)
