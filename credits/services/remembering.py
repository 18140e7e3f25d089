"""What a wallet was at a moment, as a read of that moment would have shown it. Nothing here writes.

Entries say what was posted by then. The calendar posts late, with the first command after a boundary, and nothing but time happens to a
wallet before that command: so what it posted for boundaries that had passed by then counts as if it had been posted in time. What holds
held follows from when they were made, grew, ended and would have expired: a hold is only extended while it is open, so one that expires
after a moment was open at it.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, Sum

from credits.models import (
    ZERO,
    BillingPeriod,
    Grant,
    GrantDraw,
    LedgerEntry,
    PendingGrant,
    StatusChange,
    Wallet,
)
from credits.services.calendar import CALENDAR, renew
from credits.services.reading import Reading, is_due, wallet_of
from organizations.models import Organization
from organizations.statements import fetch_one

Kind = LedgerEntry.Kind
Status = Organization.Status


class NotKnownThen(Exception):
    """There is nothing to tell of this moment: it has not come, or the wallet was not there yet."""


def wallet_then(organization: Organization, *, then: datetime, now: datetime) -> Reading:
    """Return what an organization held at `then`, as `wallet_as_of` would have answered at that moment.

    :raises NotKnownThen: if the moment is in the future, or before there was a wallet
    """
    if then > now:
        raise NotKnownThen(f"in the future: it is {now:%Y-%m-%dT%H:%M:%S}Z")
    wallet = wallet_of(organization)
    if then < wallet.created_at:
        raise NotKnownThen(f"before the wallet was made: {wallet.created_at:%Y-%m-%dT%H:%M:%S.%f}Z")
    if not is_due(wallet, now=now):
        return _read(wallet, then)
    with transaction.atomic():
        # What is due by now may have been due by then: post it, look, and undo it, as every read does.
        renew(organization=organization, now=now)
        reading = _read(wallet_of(organization), then)
        transaction.set_rollback(True)
    return reading


class _Pool(NamedTuple):
    """A balance, and how much of it is allowance."""

    balance: Decimal
    allowance: Decimal


def _read(wallet: Wallet, then: datetime) -> Reading:
    """Return what a wallet was, as a row that nobody saves."""
    head, following = _around(wallet, then)
    number = head.number if head else 0
    pool = _Pool(head.balance_after, head.allowance_after) if head else _Pool(ZERO, ZERO)
    pool = _with_what_was_due(pool, wallet, following, then)
    reserved = _reserved(wallet, then)
    wallet.organization.status = _status(wallet, then)
    if wallet.organization.status == Status.ARCHIVED:
        pool = _without_what_was_reclaimed(pool, reserved, is_child=_is_child(wallet))
    period = _period(wallet, number, then)
    was = Wallet(
        id=wallet.pk,
        organization=wallet.organization,
        period=period,
        balance=pool.balance,
        reserved=reserved,
        allowance_remaining=pool.allowance,
        head_number=number,
        created_at=wallet.created_at,
    )
    return Reading(was, period, _included(period, then))


def _is_child(wallet: Wallet) -> bool:
    return wallet.organization.parent_id is not None


class _Around(NamedTuple):
    """The last entry that was posted by a moment, and the first one that was not."""

    last: LedgerEntry | None
    following: LedgerEntry | None


def _around(wallet: Wallet, then: datetime) -> _Around:
    """Find the entry before a moment and the one after it, by index however many there are.

    Times run with numbers, so the last by its time is the last by its number. Only where a clock had leapt are there later ones with an
    earlier time: then the number decides.
    """
    last = _latest(wallet, then, after=0)
    while True:
        number = last.number if last else 0
        following = LedgerEntry.objects.filter(wallet=wallet, number=number + 1).first()
        if last is None or following is None or following.posted_at > then:
            return _Around(last, following)
        last = _latest(wallet, then, after=number)


def _latest(wallet: Wallet, then: datetime, *, after: int) -> LedgerEntry | None:
    posted = LedgerEntry.objects.filter(wallet=wallet, posted_at__lte=then)
    if after:
        posted = posted.filter(number__gt=after)
    return posted.order_by("-posted_at", "-number").first()


def _with_what_was_due(
    pool: _Pool, wallet: Wallet, first: LedgerEntry | None, then: datetime
) -> _Pool:
    """Add what the first command after a moment posted for what was due by then."""
    if first is None:
        return pool
    of_calendar = LedgerEntry.objects.filter(
        wallet=wallet,
        number__gte=first.number,
        posted_at=first.posted_at,
        performed_by=CALENDAR,
        kind__in=[Kind.LAPSE, Kind.RENEW, Kind.GRANT],
    )
    for entry in of_calendar.select_related("period").prefetch_related("draws__grant", "grants"):
        due = _due_by(entry, then)
        pool = _Pool(pool.balance + due.balance, pool.allowance + due.allowance)
    return pool


def _due_by(entry: LedgerEntry, then: datetime) -> _Pool:
    """Return what an entry of the calendar changed, in balance and in allowance, as far as it was due by then."""
    draws = list(entry.draws.all())
    if entry.kind == Kind.LAPSE:
        ended = [d for d in draws if d.grant.expires_at is not None and d.grant.expires_at <= then]
        return _Pool(sum((draw.amount for draw in ended), ZERO), _allowance_in(ended))
    if entry.kind == Kind.GRANT:
        begun = PendingGrant.objects.filter(pk__in=[draw.grant_id for draw in draws])
        is_due = not begun.filter(effective_at__gt=then).exists()
        return _Pool(entry.amount if is_due else ZERO, ZERO)
    in_mid_term = any(grant.seat or grant.upgrade for grant in entry.grants.all())
    if in_mid_term or entry.period.starts_at > then:
        return _Pool(ZERO, ZERO)
    return _Pool(entry.amount, _allowance_in(draws))


def _allowance_in(draws: Sequence[GrantDraw]) -> Decimal:
    return sum((d.amount for d in draws if d.grant.source == Grant.Source.ALLOWANCE), ZERO)


def _reserved(wallet: Wallet, then: datetime) -> Decimal:
    """Return what the holds that were open then held then."""
    row = fetch_one("SELECT credits_held_1(%s, %s)", [wallet.pk, then])
    assert row is not None
    return Decimal(row[0])


def _status(wallet: Wallet, then: datetime) -> str:
    changes = StatusChange.objects.filter(wallet=wallet, changed_at__lte=then)
    last = changes.order_by("-changed_at", "-id").first()
    return last.status if last else Status.ACTIVE


def _without_what_was_reclaimed(pool: _Pool, reserved: Decimal, *, is_child: bool) -> _Pool:
    """Empty an archived wallet of what no hold needed, as `ending.reclaim` did when it next was looked at."""
    allowance = min(pool.allowance, reserved)
    balance = pool.balance - (pool.allowance - allowance)
    swept = max(ZERO, min(balance - allowance, balance - reserved)) if is_child else ZERO
    return _Pool(balance - swept, allowance)


def _period(wallet: Wallet, number: int, then: datetime) -> BillingPeriod:
    """Return the billing period of that moment, with what it had used by then."""
    begun = BillingPeriod.objects.filter(wallet=wallet, starts_at__lte=then)
    period = begun.order_by("-index")[:1].get()
    work = LedgerEntry.objects.filter(counted_in=period, number__lte=number)
    period.used = work.order_by("-number").values_list("usage_after", flat=True).first() or ZERO
    return period


def _included(period: BillingPeriod, then: datetime) -> Decimal:
    """Return the allowance of the term of a period, with what had come in mid-term by then."""
    renewals = Grant.objects.filter(
        Q(seat=0, upgrade=0) | Q(created_at__lte=then),
        wallet=period.wallet_id,
        term_starts_at=period.term_starts_at,
    )
    return renewals.aggregate(sum=Sum("amount"))["sum"] or ZERO
