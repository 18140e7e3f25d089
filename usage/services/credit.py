"""What a credit is: how many US dollars one stands for. Prices that are kept in dollars become credits by it."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import ROUND_UP, Decimal, InvalidOperation
from itertools import groupby

from credits.models import Catalogue
from usage.models import Rate
from usage.pricing import EXACT

PLACES = Decimal(1).scaleb(-20)
"""The places of a price."""
MOST = Decimal(10) ** 13
"""No price is as high."""
SMALLEST = Decimal(1).scaleb(-10)
OF_A_CREDIT = "a credit is more than 0 US dollars, and at most 1000, with up to ten decimal places"


class TooDear(Exception):
    """A price in credits that is higher than a price may be."""


def current() -> Decimal:
    """Return how many US dollars a credit stands for."""
    return Catalogue.objects.get().credit_usd


def keep(credit_usd: Decimal) -> None:
    """Write down what a credit is. What holds keep, and what was charged, stays as it is: those are credits."""
    Catalogue.objects.update(credit_usd=credit_usd)


def read(text: str) -> Decimal:
    """Return what a text says that a credit is.

    :raises ValueError: if it says nothing that a credit can be
    """
    try:
        said = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text}: a number like 0.01 is expected") from error
    if not said.is_finite() or not 0 < said <= 1_000 or said != said.quantize(SMALLEST):
        raise ValueError(f"{text}: {OF_A_CREDIT}")
    return said


def in_words(credit_usd: Decimal) -> str:
    return f"US$ {credit_usd.normalize():f}"


def credits_of(dollars: Decimal, credit_usd: Decimal) -> Decimal:
    """Return a price in credits: exactly, or rounded up at the twentieth place.

    :raises TooDear: if no price may be as high
    """
    price = EXACT.divide(dollars, credit_usd)
    if price < MOST:
        price = price.quantize(PLACES, ROUND_UP, EXACT)
    if price >= MOST:
        raise TooDear(f"{price.normalize():f} credits are more than a price may be")
    return price


def rescaled(to: Decimal, *, since: datetime, but: Collection[str] = ()) -> list[Rate]:
    """Return what the cards of all models say once a credit is another, from a moment on: what they cost in dollars stays.

    :param but: the models whose cards somebody says anew
    :raises TooDear: if a price would be higher than a price may be
    """
    before = current()
    if to == before:
        return []
    ordered = Rate.objects.exclude(model__in=but).order_by("model", "starts_at")
    found = []
    for _, of_model in groupby(ordered, key=lambda rate: rate.model_id):
        for starts_at, card in _from(list(of_model), since):
            found += [_rescaled(rate, starts_at, before, to) for rate in card]
    return found


def _from(rates: Sequence[Rate], since: datetime) -> Iterator[tuple[datetime, list[Rate]]]:
    """Return the card that is in force at a moment, as if it began then, and those that begin later."""
    cards = {at: list(card) for at, card in groupby(rates, key=lambda rate: rate.starts_at)}
    begun = max((at for at in cards if at <= since), default=None)
    for at, card in cards.items():
        if at == begun or at > since:
            yield max(at, since), card


def _rescaled(rate: Rate, starts_at: datetime, before: Decimal, to: Decimal) -> Rate:
    amount = rate.amount
    return Rate(
        model_id=rate.model_id,
        starts_at=starts_at,
        unit=rate.unit,
        variant=rate.variant,
        hours=rate.hours,
        prompt_tokens_from=rate.prompt_tokens_from,
        amount=None if amount is None else credits_of(EXACT.multiply(amount, before), to),
        at_least=rate.at_least,
    )
