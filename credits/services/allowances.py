"""What a term brings: an allowance, and a share of it for each seat.

A seat is taken by an active user. In a term there are as many as users were ever active at one moment of it, up to the seat limit: who
takes one that was freed brings nothing, and who leaves takes nothing away until the next term. The period counts them; there is no row
for each user. All of this happens under the wallet's lock, and so does every change of who is active.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count

from credits import ledger
from credits.models import BillingPeriod, Grant, LedgerEntry, Wallet
from organizations.models import Actor


def begin_terms(openings: Sequence[BillingPeriod]) -> None:
    """Say of periods with which a term begins how many seats it has, and what each of them brings."""
    for period in openings:
        period.share = period.wallet.config.allowance_per_user
    sharing = [p for p in openings if p.share and not p.wallet.config.cancel_at_period_end]
    if sharing:
        taken = _seats_taken([period.wallet for period in sharing])
        for period in sharing:
            period.seats = taken[period.wallet.organization_id]


def go_on(period: BillingPeriod, before: BillingPeriod) -> None:
    """Carry the seats of a term from one of its periods into the next."""
    period.seats, period.share = before.seats, before.share


def allowance_lot(period: BillingPeriod, amount: Decimal, *, seat: int = 0) -> ledger.Lot:
    """Return an allowance of a period's term, which ends with it."""
    return ledger.Lot(
        amount,
        Grant.Source.ALLOWANCE,
        expires_at=period.term_ends_at,
        term_starts_at=period.term_starts_at,
        seat=seat,
    )


def raise_seats(wallet: Wallet, *, why: str, performed_by: str, now: datetime) -> None:
    """Bring a share for every active user who has no seat in the running term of a locked wallet, as far as the seat limit goes."""
    period = ledger.open_period(wallet)
    if not period.share or _has_ended(wallet, period):
        return
    seats = _seats_taken([wallet])[wallet.organization_id]
    more = seats - period.seats
    if more <= 0:
        return
    named = f"seat {seats}" if more == 1 else f"seats {period.seats + 1} to {seats}"
    period.seats = seats
    period.save(update_fields=["seats"])
    lot = allowance_lot(period, more * period.share, seat=seats)
    note = ledger.Note(performed_by, now, reason=f"{named}: {why}")
    ledger.fund(wallet, [lot], kind=LedgerEntry.Kind.RENEW, note=note)


def _has_ended(wallet: Wallet, period: BillingPeriod) -> bool:
    """Whether the allowance ended with an earlier term: it was cancelled, and this term brought none."""
    of_term = Grant.objects.filter(wallet=wallet, term_starts_at=period.term_starts_at)
    return wallet.config.cancel_at_period_end and not of_term.exists()


def _seats_taken(wallets: Collection[Wallet]) -> dict[UUID, int]:
    """Count the active users of each organization, up to its seat limit, however many they are: no row of theirs is read."""
    limits = {wallet.organization_id: wallet.config.seat_limit for wallet in wallets}
    active = Actor.objects.filter(organization__in=limits, kind=Actor.Kind.USER, active=True)
    counted = active.values_list("organization_id").annotate(Count("pk")).order_by()
    users = dict.fromkeys(limits, 0) | dict(counted)
    return {
        id: users[id] if limit is None else min(users[id], limit) for id, limit in limits.items()
    }
