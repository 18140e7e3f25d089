"""What a term brings: an allowance, and a share of it for each seat; by days, where it is not a whole one.

A term that begins after its anchor is a stub, because the anchor was moved or because it is the first: it brings its days' part of the
whole term that ends with it. So does an upgrade that takes effect at once, of the difference. The period keeps what is in force, so that
nothing comes twice.

A seat is taken by an active user. In a term there are as many as users were ever active at one moment of it, up to the seat limit: who
takes one that was freed brings nothing, and who leaves takes nothing away until the next term. The period counts them; there is no row
for each user. All of this happens under the wallet's lock, and so does every change of who is active.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count

from credits import ledger, periods
from credits.models import ZERO, BillingPeriod, Grant, LedgerEntry, Wallet
from organizations.models import Actor

OF_A_TERM = ["term_days", "whole_days", "allowance", "allowance_per_user", "seats", "share"]
"""What a period says of its term, and hands on to the next."""


def begin_terms(openings: Sequence[BillingPeriod], *, since: datetime | None = None) -> None:
    """Say of periods with which a term begins what it brings: of how many days of a whole one, for how many seats, and with each.

    :param since: the moment from whose day on the term counts, if that is not its beginning
    """
    for period in openings:
        config = period.wallet.config
        period.whole_days = periods.days_between(*whole_term(period))
        period.term_days = periods.days_between(since or period.starts_at, period.term_ends_at)
        period.allowance = ZERO if config.cancel_at_period_end else config.allowance
        period.allowance_per_user = config.allowance_per_user
        period.share = part_of(period.allowance_per_user, period)
    sharing = [p for p in openings if p.share and not p.wallet.config.cancel_at_period_end]
    if sharing:
        taken = _seats_taken([period.wallet for period in sharing])
        for period in sharing:
            period.seats = taken[period.wallet.organization_id]


def go_on(period: BillingPeriod, before: BillingPeriod) -> None:
    """Carry what a term brings from one of its periods into the next."""
    for name in OF_A_TERM:
        setattr(period, name, getattr(before, name))


def whole_term(period: BillingPeriod) -> periods.Period:
    """Return the whole term that ends with that of a period, by the terms of now."""
    config = period.wallet.config
    return periods.whole_term_until(
        period.term_ends_at, yearly=config.yearly, anchored_on=config.anchored_on
    )


def part_of(amount: Decimal, period: BillingPeriod) -> Decimal:
    """Return what a period's term brings of an amount that is said of a whole one."""
    return periods.by_days(amount, period.term_days, period.whole_days)


def brought(period: BillingPeriod) -> Decimal:
    """Return the allowance with which a period's term begins, with the shares of its seats."""
    return part_of(period.allowance, period) + period.seats * period.share


def allowance_lot(
    period: BillingPeriod, amount: Decimal, *, seat: int = 0, upgrade: int = 0
) -> ledger.Lot:
    """Return an allowance of a period's term, which ends with it."""
    return ledger.Lot(
        amount,
        Grant.Source.ALLOWANCE,
        expires_at=period.term_ends_at,
        term_starts_at=period.term_starts_at,
        seat=seat,
        upgrade=upgrade,
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


def upgrade(wallet: Wallet, *, note: ledger.Note) -> LedgerEntry | None:
    """Fund by how much the terms of a locked wallet bring more than those in force, for what is left of the running term.

    By days, that of the note included, and for the seats that it has. What the terms bring less stays until the next term, so who goes
    down and up again is funded nothing twice.

    :returns: the entry, if there was something to fund
    """
    config, period = wallet.config, ledger.open_period(wallet)
    more = max(ZERO, config.allowance - period.allowance)
    more_per_user = max(ZERO, config.allowance_per_user - period.allowance_per_user)
    if not (more or more_per_user) or _has_ended(wallet, period):
        return None
    if more_per_user and not period.share:
        period.seats = _seats_taken([wallet])[wallet.organization_id]
    days = periods.days_between(note.posted_at, period.term_ends_at)
    share = periods.by_days(more_per_user, days, period.whole_days)
    amount = periods.by_days(more, days, period.whole_days) + period.seats * share
    period.allowance += more
    period.allowance_per_user += more_per_user
    period.share += share
    period.save(update_fields=OF_A_TERM)
    if not amount:
        return None
    of_term = Grant.objects.filter(wallet=wallet, term_starts_at=period.term_starts_at)
    number = of_term.filter(upgrade__gt=0).count() + 1
    said = replace(note, reason=f"{note.reason} ({days} of {period.whole_days} days)")
    lot = allowance_lot(period, amount, upgrade=number)
    return ledger.fund(wallet, [lot], kind=LedgerEntry.Kind.RENEW, note=said)


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
