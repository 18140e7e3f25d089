"""How holds end, and what an archived wallet then gives back."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from credits import ledger
from credits.ledger import Note
from credits.models import ZERO, BillingPeriod, LedgerEntry, Reservation, Wallet
from credits.services.calendar import CALENDAR
from credits.services.locking import is_archived

Status = Reservation.Status


def bind(
    wallet: Wallet, reservations: Iterable[Reservation], *, counted_in: BillingPeriod | None = None
) -> None:
    """Make all of them share the one wallet and one object per period, whose counters are written.

    :param counted_in: a period that the command has in hand besides the open one
    """
    shared = {period.pk: period for period in (ledger.open_period(wallet), counted_in) if period}
    for reservation in reservations:
        reservation.wallet = wallet
        reservation.period = shared.setdefault(reservation.period_id, reservation.period)


def close(reservation: Reservation, status: Status, *, now: datetime) -> None:
    """Write the last state of a hold."""
    reservation.status = status
    reservation.closed_at = ledger.moment(now, reservation.wallet)
    reservation.save(
        update_fields=["status", "settled_credits", "settled_with", "late", "closed_at", "figures"]
    )


def give_back(wallet: Wallet, reservation: Reservation, status: Status, *, now: datetime) -> None:
    """End a hold of which nothing was spent."""
    ledger.free(
        wallet,
        reservation.period,
        reservation.credits,
        counter_ids=reservation.counter_ids,
        free_credits=reservation.free_credits,
        was_open=True,
    )
    close(ledger.read_figures(reservation), status, now=now)


def expire_due(wallet: Wallet, *, now: datetime, counted_in: BillingPeriod | None = None) -> int:
    """Give back every hold of a locked wallet whose time has passed. Returns how many there were.

    Past its expiry a hold counts as expired, swept or not: whoever is about to refuse for want of credits calls this and looks again.

    :param counted_in: the period whose counters the caller is about to read or write, if it is not the open one
    """
    expired = 0
    while True:
        count = expire_some(wallet, now=now, counted_in=counted_in)
        expired += count
        if count < ledger.EXPIRED_AT_ONCE:
            return expired


def expire_some(wallet: Wallet, *, now: datetime, counted_in: BillingPeriod | None = None) -> int:
    """Give back the next of those holds, so many as a lock may last. Fewer than `EXPIRED_AT_ONCE` were the last."""
    periods = [ledger.open_period(wallet), *([counted_in] if counted_in else [])]
    return ledger.expire(wallet, now=now, periods=periods)


def has_due(wallet: Wallet, *, now: datetime) -> bool:
    """Whether a wallet still has open holds whose time has passed."""
    return wallet.reservations.filter(status=Status.OPEN, expires_at__lte=now).exists()


def release_all(wallet: Wallet, *, now: datetime) -> None:
    """Give back every open hold of a locked wallet, whoever has it."""
    reservations = list(wallet.reservations.filter(status=Status.OPEN).select_related("period"))
    bind(wallet, reservations)
    for reservation in reservations:
        give_back(wallet, reservation, Status.RELEASED, now=now)


def reclaim(wallet: Wallet, parent: Wallet | None, *, now: datetime) -> Decimal:
    """Empty an archived wallet of all that no hold needs. Returns what the parent got.

    The allowance lapses, the rest goes to the parent and keeps its expiry. Holds keep allowance first, as they would be charged.
    """
    surplus = wallet.allowance_remaining - min(
        wallet.allowance_remaining, max(ZERO, wallet.reserved)
    )
    allowance = [grant for grant in ledger.live_grants(wallet) if grant.term_starts_at]
    if surplus:
        kind = LedgerEntry.Kind.LAPSE
        draws = ledger.take(allowance, surplus)
        ledger.draw(wallet, draws, kind=kind, note=Note(CALENDAR, now))
    swept = wallet.transferable
    if parent is None or not swept:
        return ZERO
    note = Note(CALENDAR, now)
    ledger.transfer(wallet, parent, swept, kind=LedgerEntry.Kind.SWEEP, note=note)
    return swept


def reclaim_if_archived(wallet: Wallet, parent: Wallet | None, *, now: datetime) -> None:
    """Send what a command freed on to the parent, if that is where it belongs by now."""
    if is_archived(wallet):
        reclaim(wallet, parent, now=now)
