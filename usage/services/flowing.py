"""What flows into a wallet and out of it by itself, read for a forecast: by indexes, and so many rows at most.

Like the calendar it supposes that nobody grants, allocates or edits anything. What is beyond the bounds is taken together.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf

from credits import ledger
from credits.models import (
    ZERO,
    BillingPeriod,
    Grant,
    LedgerEntry,
    PendingGrant,
    Reservation,
    Wallet,
)
from credits.services import Reading, as_due, wallet_as_of
from credits.services.allowances import begin_terms, brought
from credits.services.calendar import next_period
from organizations.models import Organization
from usage.flows import Cap, Coming, Flows, Held, Lot, Refill, Term

LOTS = 200
"""How many grants are looked at, in the order in which they are drawn; the others as one that never ends."""
COMING = 200
HOLDS = 200
"""How many holds, in the order in which they end; the others as if they ended with the last of these."""
REFILLS = 1_000
"""How many of the last refills say how much leaves for children."""
REFILLED = timedelta(days=28)
"""And since when."""
DAY = timedelta(days=1)
LAST_DRAWN = 32_767
"""A priority behind all others."""


Past = Callable[[Organization], Sequence[float]]
"""What an organization used on each whole day, the oldest first."""


def flows_of(
    organization: Organization, past_of: Past, *, days: int, now: datetime
) -> tuple[Flows, Reading]:
    """Return what flows into and out of the wallet of an organization in the days ahead, and the wallet as it is."""
    flows, reading = _own(organization, past_of, days=days, now=now)
    refill = _refill(reading.wallet, now)
    if organization.parent is None or refill is None:
        return flows, reading
    parent, _ = _own(organization.parent, past_of, days=days, now=now, besides=reading.wallet)
    return flows._replace(refill=refill, parent=parent), reading


def _own(
    organization: Organization,
    past_of: Past,
    *,
    days: int,
    now: datetime,
    besides: Wallet | None = None,
) -> tuple[Flows, Reading]:
    with as_due(organization, now=now):
        reading = wallet_as_of(organization, now=now)
        wallet = reading.wallet
        periods = list(_periods(wallet, until=now + days * DAY))
        overdraft = wallet.config.overdraft_limit
        flows = Flows(
            past=past_of(organization),
            lots=_lots(wallet, now),
            debt=float(wallet.debt),
            overdraft=None if overdraft is None else float(overdraft),
            held=_held(reading, now),
            coming=_coming(wallet, now),
            terms=_terms(wallet, periods, now),
            cap=_cap(reading, [_from(now, period.starts_at) for period in periods]),
            to_children=_to_children(wallet, besides, now=now),
        )
    return flows, reading


def _from(now: datetime, moment: datetime) -> float:
    """Return how many days from now a moment is."""
    return (moment - now) / DAY


def _periods(wallet: Wallet, *, until: datetime) -> Iterator[BillingPeriod]:
    """Yield the billing periods that begin until a moment, if nobody changes the terms."""
    ahead = copy.copy(wallet)
    while ledger.open_period(ahead).ends_at < until:
        ahead.period = next_period(ahead)
        yield ahead.period


def _terms(wallet: Wallet, periods: Sequence[BillingPeriod], now: datetime) -> list[Term]:
    """Return the terms that begin, with what each brings."""
    config = wallet.config
    rolls_over = ZERO if config.cancel_at_period_end else config.rollover_limit
    beginning = [period for period in periods if period.starts_at == period.term_starts_at]
    for period in beginning:
        begin_terms([period])
    return [
        Term(
            _from(now, period.starts_at),
            _from(now, period.term_ends_at),
            float(brought(period)),
            float(rolls_over),
        )
        for period in beginning
    ]


def _lots(wallet: Wallet, now: datetime) -> list[Lot]:
    """Return what the grants of a wallet hold, in the order in which they are drawn."""
    term_ends_at = ledger.open_period(wallet).term_ends_at
    live = Grant.objects.filter(wallet=wallet, live=True)
    rows = live.order_by("priority", "expires_at", "created_at", "id").values_list(
        "remaining", "expires_at", "priority", "term_starts_at"
    )[:LOTS]
    lots = [
        Lot(
            float(remaining),
            inf if ends_at is None else _from(now, ends_at),
            priority,
            of_term=term_starts_at is not None and ends_at == term_ends_at,
        )
        for remaining, ends_at, priority, term_starts_at in rows
    ]
    if len(lots) < LOTS:
        return lots
    rest = float(wallet.balance) - sum(lot.amount for lot in lots)
    return [*lots, Lot(max(0.0, rest), priority=LAST_DRAWN)]


def _held(reading: Reading, now: datetime) -> list[Held]:
    """Return what the holds of a wallet keep, in the order in which they end."""
    wallet = reading.wallet
    if not wallet.reserved:
        return []
    is_open = {"status": Reservation.Status.OPEN, "expires_at__gt": now}
    rows = wallet.reservations.filter(**is_open).order_by("expires_at")
    held = [
        Held(_from(now, ends_at), float(amount), period_id == reading.period.pk)
        for ends_at, amount, period_id in rows.values_list("expires_at", "credits", "period_id")[
            :HOLDS
        ]
    ]
    rest = float(wallet.reserved) - sum(each.amount for each in held)
    return [*held, Held(held[-1].ends, rest)] if len(held) == HOLDS and rest > 0 else held


def _coming(wallet: Wallet, now: datetime) -> list[Coming]:
    """Return the grants that are pending, the next first."""
    pending = PendingGrant.objects.filter(wallet=wallet, begun_at=None, cancelled_at=None)
    return [
        Coming(
            _from(now, each.effective_at),
            Lot(
                float(each.amount),
                inf if each.expires_at is None else _from(now, each.expires_at),
                each.priority,
            ),
        )
        for each in pending.order_by("effective_at", "id")[:COMING]
    ]


def _cap(reading: Reading, resets: Sequence[float]) -> Cap | None:
    most, period = reading.wallet.config.monthly_cap, reading.period
    return None if most is None else Cap(float(most), float(period.used + period.reserved), resets)


def _refill(wallet: Wallet, now: datetime) -> Refill | None:
    config, ends_at = wallet.config, wallet.refill_cooldown_ends_at
    if config.refill_threshold is None or config.refill_amount is None:
        return None
    return Refill(
        float(config.refill_threshold),
        float(config.refill_amount),
        config.refill_cooldown / DAY,
        0 if ends_at is None else max(0.0, _from(now, ends_at)),
    )


def _to_children(wallet: Wallet, besides: Wallet | None, *, now: datetime) -> float:
    """Return what leaves a wallet in a day by refills of its children, of late.

    :param besides: the wallet of a child that is not counted
    """
    if wallet.organization.parent_id is not None:
        return 0.0
    newest = _refills(wallet, since=now - REFILLED)
    if not newest:
        return 0.0
    first_at = newest[-1][0]
    since = first_at if len(newest) == REFILLS else now - REFILLED
    since = max(since, min(first_at, wallet.created_at))
    sent = -sum((amount for _, amount in newest), ZERO)
    if besides is not None:
        sent -= sum((amount for _, amount in _refills(besides, since=since)), ZERO)
    return max(0.0, float(sent) / max(1.0, (now - since) / DAY))


def _refills(wallet: Wallet, *, since: datetime) -> list[tuple[datetime, Decimal]]:
    """Return the last refills of a wallet, sent or received, the newest first."""
    rows = LedgerEntry.objects.filter(wallet=wallet, kind=LedgerEntry.Kind.REFILL)
    newest = rows.filter(posted_at__gte=since).order_by("-posted_at", "-number")
    return list(newest.values_list("posted_at", "amount")[:REFILLS])
