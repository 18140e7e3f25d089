"""What time does to a wallet: lapses, new periods, new terms.

Every command begins with `post_due`, so the first request after a boundary finds the wallet as it should be; the worker does the
same for everybody who makes no request.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from credits import ledger, periods
from credits.models import (
    ZERO,
    AllowanceShare,
    BillingPeriod,
    CreditConfig,
    Grant,
    LedgerEntry,
    Wallet,
)
from organizations.models import Actor, Organization

CALENDAR = "calendar"
"""Who did it, when nobody did: the months turn by themselves."""


@transaction.atomic(savepoint=False)
def renew(*, organization: Organization, now: datetime) -> Wallet:
    """Bring a wallet up to date: lapse what expired, close what ended, open and fund what began.

    Doing it twice does it once: what is due is decided under the wallet's lock.
    """
    (wallet,) = ledger.lock(organization.id)
    post_due(wallet, now=now)
    return wallet


def post_due(wallet: Wallet, *, now: datetime) -> None:
    """Post everything that time has made due on a locked wallet, boundary by boundary, in order.

    An archived wallet neither renews nor begins a new period; what expires in it still lapses.
    """
    if wallet.organization.status != Organization.Status.ARCHIVED:
        while ledger.open_period(wallet).ends_at <= now:
            _turn(wallet, now=now)
    if wallet.lapse_at is not None and wallet.lapse_at <= now:
        expired = ledger.expired_grants(wallet, now)
        lapse(wallet, ledger.take(expired, ledger.remaining(expired)), now=now)
        ledger.set_next_lapse(wallet)


def open_first_period(wallet: Wallet, *, now: datetime) -> None:
    """Open the billing period that contains `now` on a new wallet, and fund its first term."""
    config = wallet.config
    starts_at, ends_at = periods.period_containing(now, config.anchored_on)
    term = periods.term_from(starts_at, yearly=config.yearly, anchored_on=config.anchored_on)
    _open_period(wallet, index=0, period=periods.Period(starts_at, ends_at), term=term)
    _renew_allowance(wallet, carried=(), now=now)


def lapse(wallet: Wallet, draws: Sequence[ledger.Draw], *, now: datetime) -> None:
    """Take credits that ended out of the wallet, if there are any."""
    if draws:
        kind = LedgerEntry.Kind.LAPSE
        ledger.draw(wallet, draws, kind=kind, note=ledger.Note(CALENDAR, now))


def _turn(wallet: Wallet, *, now: datetime) -> None:
    """Close the open period and open the next; at the end of a term, renew the allowance."""
    ending = ledger.open_period(wallet)
    carried = _end_grants(wallet, ending, now=now)
    ending.closing_balance = wallet.balance
    ending.closed_at = now
    ending.save(update_fields=["closing_balance", "closed_at"])
    term = _term_after(ending, wallet.config)
    boundary = periods.boundary_after(ending.ends_at, wallet.config.anchored_on.day)
    period = periods.Period(ending.ends_at, min(boundary, term.ends_at))
    _open_period(wallet, index=ending.index + 1, period=period, term=term)
    if term.starts_at == period.starts_at:
        _renew_allowance(wallet, carried=carried, now=now)
    ledger.set_next_lapse(wallet)


def _end_grants(wallet: Wallet, ending: BillingPeriod, *, now: datetime) -> list[ledger.Draw]:
    """Lapse what expired by the end of a period; return the draws that carry the rollover on.

    A lapse is on the statement of the period whose end it is.
    """
    expired = ledger.expired_grants(wallet, ending.ends_at)
    of_term = [g for g in expired if g.term_starts_at and g.expires_at == ending.term_ends_at]
    others = [grant for grant in expired if grant not in of_term]
    left = ledger.remaining(of_term)
    ends_for_good = wallet.config.cancel_at_period_end
    rolled_over = ZERO if ends_for_good else min(left, wallet.config.rollover_limit)
    lapsing = [
        *ledger.take(others, ledger.remaining(others)),
        *ledger.take(of_term, left - rolled_over),
    ]
    lapse(wallet, lapsing, now=now)
    return ledger.take(of_term, rolled_over)


def _term_after(ending: BillingPeriod, config: CreditConfig) -> periods.Period:
    """Return the term of the next period: the same, or a new one where it ended."""
    if ending.term_ends_at > ending.ends_at:
        return periods.Period(ending.term_starts_at, ending.term_ends_at)
    return periods.term_from(ending.ends_at, yearly=config.yearly, anchored_on=config.anchored_on)


def _open_period(
    wallet: Wallet, *, index: int, period: periods.Period, term: periods.Period
) -> None:
    wallet.period = BillingPeriod.objects.create(
        wallet=wallet,
        index=index,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        term_starts_at=term.starts_at,
        term_ends_at=term.ends_at,
        opening_balance=wallet.balance,
    )
    wallet.save(update_fields=["period"])


def _renew_allowance(wallet: Wallet, *, carried: Sequence[ledger.Draw], now: datetime) -> None:
    """Begin the term of the open period: its allowance, a share for each active user, and what rolls over."""
    period = ledger.open_period(wallet)
    amount = -sum((draw.amount for draw in carried), ZERO)
    if not wallet.config.cancel_at_period_end:
        amount += wallet.config.allowance
        amount += _share_out(wallet, period) * wallet.config.allowance_per_user
    if amount:
        ledger.fund(
            wallet,
            [allowance_lot(period, amount)],
            kind=LedgerEntry.Kind.RENEW,
            note=ledger.Note(CALENDAR, now),
            carried=carried,
        )


def allowance_lot(
    period: BillingPeriod, amount: Decimal, *, share_of: Actor | None = None
) -> ledger.Lot:
    """Return an allowance of a period's term, which ends with it."""
    return ledger.Lot(
        amount,
        Grant.Source.ALLOWANCE,
        expires_at=period.term_ends_at,
        term_starts_at=period.term_starts_at,
        share_of=share_of,
    )


def _share_out(wallet: Wallet, period: BillingPeriod) -> int:
    """Note which users bring a share in the term that begins, and return how many they are."""
    if not wallet.config.allowance_per_user:
        return 0
    users = Actor.objects.filter(
        organization=wallet.organization, kind=Actor.Kind.USER, active=True
    )
    shares = [
        AllowanceShare(wallet=wallet, actor=user, term_starts_at=period.term_starts_at)
        for user in users
    ]
    return len(AllowanceShare.objects.bulk_create(shares))
