"""Credits that are set aside while work runs, and the counters that its caps compare."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F

from credits.ledger.posting import require_exact
from credits.models import ZERO, BillingPeriod, Reservation, UsageCounter, Wallet
from organizations.statements import fetch_one

EXPIRED_AT_ONCE = 1_000
"""How many holds one statement ends: a lock that lasts a few hundredths of a second."""
_DUE = "expires_at <= %(now)s"
_NAMED = "id = ANY (%(holds)s)"
_END = """
    WITH due AS (
        SELECT id FROM credits_reservation
        WHERE wallet_id = %(wallet)s AND status = 'open' AND {which}
        ORDER BY expires_at LIMIT %(most)s
    ), ended AS (
        UPDATE credits_reservation r SET status = %(status)s, closed_at = %(now)s FROM due WHERE r.id = due.id
        RETURNING r.period_id, r.credits, r.free_credits, r.counter_ids
    ), freed AS (
        SELECT counter_id, sum(credits) AS credits, sum(free_credits) AS free_credits
        FROM ended, unnest(counter_ids) AS counter_id GROUP BY counter_id
    ), counted AS (
        UPDATE credits_usagecounter c SET
            reserved = c.reserved - freed.credits,
            free_reserved = CASE WHEN c.actor_id IS NULL AND c.group_id IS NULL AND c.resource_type = ''
                THEN c.free_reserved - freed.free_credits ELSE c.free_reserved END
        FROM freed WHERE c.id = freed.counter_id
    )
    SELECT period_id, count(*), sum(credits) FROM ended GROUP BY period_id"""


def free(
    wallet: Wallet,
    period: BillingPeriod,
    credits: Decimal,
    *,
    counter_ids: Sequence[int] = (),
    used: Decimal = ZERO,
    free_credits: Decimal = ZERO,
    was_open: bool = False,
) -> None:
    """End a hold: its credits are no longer reserved, and `used` of them were spent.

    :param was_open: whether there was one: work is also told without, or after it
    :param free_credits: what it had set aside besides its credits
    """
    _count(wallet, period, counter_ids, reserved=-credits, used=used, opened=-int(was_open))
    if free_credits:
        require_exact(free_credits)
        own = UsageCounter.objects.filter(
            id__in=counter_ids, actor=None, group=None, resource_type=""
        )
        own.update(free_reserved=F("free_reserved") - free_credits)


def expire(wallet: Wallet, *, now: datetime, periods: Iterable[BillingPeriod]) -> int:
    """End the holds of a locked wallet whose time has passed, a thousand of them at most: set-wise, in a few statements. Returns how many.

    :param periods: those that the caller has in hand, whose counters change with the rows
    """
    return _end(wallet, _DUE, Reservation.Status.EXPIRED, now=now, periods=periods)


def release(
    wallet: Wallet,
    holds: Collection[UUID],
    *,
    now: datetime,
    periods: Iterable[BillingPeriod],
) -> int:
    """Give back those of these holds of a locked wallet that are open, a thousand at most, in the same way. Returns how many."""
    status = Reservation.Status.RELEASED
    return _end(wallet, _NAMED, status, now=now, periods=periods, holds=list(holds))


def _end(
    wallet: Wallet,
    which: str,
    status: str,
    *,
    now: datetime,
    periods: Iterable[BillingPeriod],
    holds: Sequence[UUID] = (),
) -> int:
    asked: dict[str, Any] = {"wallet": wallet.pk, "now": now, "status": status, "holds": holds}
    with connection.cursor() as cursor:
        cursor.execute(_END.format(which=which), asked | {"most": EXPIRED_AT_ONCE})
        freed = cursor.fetchall()
    in_hand = {period.pk: period for period in periods}
    for period_id, count, credits in freed:
        wallet.reserved -= credits
        wallet.open_holds -= count
        BillingPeriod.objects.filter(pk=period_id).update(reserved=F("reserved") - credits)
        if period_id in in_hand:
            in_hand[period_id].reserved -= credits
    if freed:
        wallet.save(update_fields=["reserved", "open_holds"])
    return sum(count for _, count, _ in freed)


def read_figures(reservation: Reservation) -> Reservation:
    """Give a hold, in memory, the figures of its limits as they are by now."""
    row = fetch_one(
        "SELECT credits_figures_1(figures, wallet_id, period_id, counter_ids) FROM credits_reservation"
        " WHERE id = %s",
        [reservation.id],
    )
    assert row is not None  # no hold is ever deleted
    reservation.figures = row[0]
    return reservation


def count_work(wallet: Wallet, used: Mapping[UsageCounter, Decimal]) -> None:
    """Count work without a hold in counters of a locked wallet."""
    for counter, amount in used.items():
        counter.used += amount
    UsageCounter.objects.bulk_update(used, ["used"])


def _count(
    wallet: Wallet,
    period: BillingPeriod,
    counter_ids: Sequence[int],
    *,
    reserved: Decimal,
    opened: int,
    used: Decimal = ZERO,
) -> None:
    if reserved or opened:
        require_exact(reserved)
        wallet.reserved += reserved
        wallet.open_holds += opened
        wallet.save(update_fields=["reserved", "open_holds"])
    if not reserved and not used:
        return
    require_exact(used)
    period.reserved += reserved
    period.used += used
    period.save(update_fields=["reserved", "used"])
    if counter_ids:
        UsageCounter.objects.filter(id__in=counter_ids).update(
            reserved=F("reserved") + reserved, used=F("used") + used
        )


def without_expired(wallet: Wallet, expired: Decimal, of_period: Decimal = ZERO) -> None:
    """Take off a wallet that is read, and not written, what holds whose time has passed have reserved: in all, and in its period."""
    wallet.reserved -= expired
    if wallet.period is not None:
        wallet.period.reserved -= of_period
