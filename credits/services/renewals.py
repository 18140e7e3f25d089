"""What renewals would do, before they are done."""

import copy
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet, Sum

from credits.models import ZERO, BillingPeriod, Grant, LedgerEntry, Wallet
from credits.services.allowances import begin_terms, brought
from credits.services.calendar import next_period, renew
from credits.services.reading import wallet_as_of
from organizations.models import Organization


class Turn(NamedTuple):
    """One boundary that a wallet crosses: the period that opens, and what happens to the credits there."""

    organization: Organization
    starts_at: datetime
    ends_at: datetime
    balance_before: Decimal
    """At the end of the period before, until something lapsed."""
    lapsed: Decimal
    rolled_over: Decimal
    granted: Decimal
    """The allowance of a term that begins here, without what rolled over."""
    balance_after: Decimal
    seats: int
    """How many bring a share of the allowance in it."""
    stub: str
    """Why a term that begins here brings only a part of an allowance; nothing of a whole one."""


class NextTerm(NamedTuple):
    """What the next term of a wallet brings, by the terms of now: when, and how much of how many days of a whole one."""

    starts_at: datetime
    ends_at: datetime
    days: int
    whole_days: int
    brings: Decimal
    """Credits, with the shares of the seats that are taken now; nothing where the allowance is cancelled."""


def next_term(organization: Organization, *, now: datetime) -> NextTerm:
    """Return the term that follows the running one, and what it brings if nobody changes the terms until then."""
    ahead = copy.copy(wallet_as_of(organization, now=now).wallet)
    while True:
        period = next_period(ahead)
        if period.starts_at == period.term_starts_at:
            break
        ahead.period = period
    begin_terms([period])
    days, whole_days = period.term_days, period.whole_days
    return NextTerm(period.starts_at, period.term_ends_at, days, whole_days, brought(period))


def preview_renewal(organization: Organization, *, now: datetime) -> list[Turn]:
    """Return what `renew` would do at `now`, boundary by boundary, and leave everything as it is.

    The command itself runs, is looked at, and is rolled back; so it takes the wallet's lock for a moment.
    """
    with transaction.atomic():
        before = Wallet.objects.select_related("period").get(organization=organization)
        wallet = renew(organization=organization, now=now)
        turns = list(_turns(organization, wallet, before))
        transaction.set_rollback(True)
    return turns


def _turns(organization: Organization, wallet: Wallet, before: Wallet) -> Iterator[Turn]:
    opened = BillingPeriod.objects.filter(wallet=wallet).order_by("index")
    ended = before.period
    assert ended is not None
    posted = LedgerEntry.objects.filter(wallet=wallet, number__gt=before.head_number)
    for period in opened.filter(index__gt=ended.index):
        lapsed = _sum(posted.filter(period=ended, kind=LedgerEntry.Kind.LAPSE))
        granted = _sum(posted.filter(period=period, kind=LedgerEntry.Kind.RENEW))
        made = Grant.objects.filter(wallet=wallet, entry__period=period, entry__kind="renew")
        lots = made.aggregate(sum=Sum("amount"))["sum"] or ZERO
        yield Turn(
            organization=organization,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            balance_before=period.opening_balance - lapsed,
            lapsed=-lapsed,
            rolled_over=lots - granted,
            granted=granted,
            balance_after=period.opening_balance + granted,
            stub=period.stub if period.starts_at == period.term_starts_at else "",
            seats=period.seats,
        )
        ended = period


def _sum(entries: QuerySet[LedgerEntry]) -> Decimal:
    total: Decimal | None = entries.aggregate(sum=Sum("amount"))["sum"]
    return total or ZERO
