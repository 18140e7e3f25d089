"""Holds: credits set aside before work, charged or given back after it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from credits import ledger
from credits.ledger import Note
from credits.limits import Limit, explain
from credits.models import ZERO, BillingPeriod, Growth, Reservation, Wallet
from credits.services.admission import (
    Admission,
    BillingExhausted,
    ChargeTooLarge,
    Counted,
    decide,
    require_chargeable,
)
from credits.services.crowding import too_many
from credits.services.ending import (
    bind,
    close,
    expire_due,
    expire_some,
    give_back,
    reclaim_if_archived,
)
from credits.services.funding import refill_is_due
from credits.services.locking import is_archived, lock
from organizations.models import Organization
from organizations.services import require_active

Status = Reservation.Status
Mode = Reservation.Mode

DEFAULT_TIME_TO_LIVE = timedelta(seconds=900)
MAX_TIME_TO_LIVE = timedelta(days=1)


class ReservationClosed(Exception):
    """The reservation is in a state that this verb cannot change; the message names it."""


class AlreadySettled(ReservationClosed):
    """The reservation was settled with another amount."""


@transaction.atomic(savepoint=False)
def reserve(
    *,
    organization: Organization,
    credits: Decimal,
    performed_by: str,
    now: datetime,
    time_to_live: timedelta = DEFAULT_TIME_TO_LIVE,
    mode: str = Mode.EXACT,
    metadata: dict[str, Any] | None = None,
) -> Reservation | BillingExhausted:
    """Hold credits for work that is about to run.

    Before all, no more holds may be open than the terms say. The cap is asked first, then the pool: the refill rule, the balance, the overdraft. `up_to` holds the largest amount that all of
    them admit, if it is any. A denial is *returned*: a refill that fired for this request must survive it, so the caller commits,
    then raises.

    :raises ChargeTooLarge: if that is more than one piece of work may cost
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if the organization is archived
    """
    wallet, parent = lock(
        organization,
        now=now,
        needs_parent=lambda wallet: refill_is_due(wallet, credits, now=now),
    )
    require_active(wallet.organization)
    crowded = too_many(wallet, now=now)
    if crowded is not None:
        return crowded
    admitted = admit(wallet, parent, credits, mode=mode, now=now)
    if isinstance(admitted, BillingExhausted):
        return admitted
    return place(
        wallet,
        admitted.credits,
        limits=admitted.limits,
        mode=mode,
        metadata=metadata or {},
        performed_by=performed_by,
        expires_at=now + time_to_live,
        created_at=now,
    )


def admit(
    wallet: Wallet,
    parent: Wallet | None,
    need: Decimal,
    *,
    now: datetime,
    mode: str = Mode.EXACT,
    period: BillingPeriod | None = None,
    counted: Sequence[Counted] = (),
    is_free: bool = False,
) -> Admission | BillingExhausted:
    """Decide how much of `need` may be held now, on a locked wallet. It may refill, and holds nothing.

    The caps of `counted` are asked first, in their order, then the cap of the period, then the pool. Before a refill, before a denial,
    and before less is admitted than was asked for, holds whose time has passed are given back: they never stand in the way.

    :param is_free: whether the work has the price 0: then no pool is too empty for it
    :raises ChargeTooLarge: if that is more than one piece of work may cost; with `up_to` no more than that is admitted
    """
    need = _chargeable(wallet, need, mode=mode)
    period = period or ledger.open_period(wallet)
    if parent is not None:
        # The refill rule is about to fire, and such a hold must not be the reason.
        _clear_expired(wallet, period, counted, now=now)

    def decided() -> Admission | BillingExhausted:
        return decide(
            wallet, parent, period, need, mode=mode, counted=counted, is_free=is_free, now=now
        )

    admitted = decided()
    falls_short = isinstance(admitted, BillingExhausted) or admitted.credits < need
    if falls_short and _clear_expired(wallet, period, counted, now=now):
        return decided()
    return admitted


def _chargeable(wallet: Wallet, need: Decimal, *, mode: str) -> Decimal:
    """Return how much of `need` one piece of work may cost: all of it, or what `up_to` may hold."""
    limit = wallet.config.charge_limit
    if mode == Mode.UP_TO and limit is not None:
        return min(need, limit)
    require_chargeable(wallet, need)
    return need


def _clear_expired(
    wallet: Wallet, period: BillingPeriod, counted: Sequence[Counted], *, now: datetime
) -> int:
    """Give back holds whose time has passed, and read again the counters that they were counted in."""
    cleared = expire_due(wallet, now=now, counted_in=period)
    if cleared:
        for each in counted:
            each.counter.refresh_from_db(fields=["used", "reserved"])
    return cleared


def place(
    wallet: Wallet, credits: Decimal, *, limits: Sequence[Limit], **fields: Any
) -> Reservation:
    """Hold credits that were admitted, on a locked wallet.

    :param fields: the other fields of the `Reservation`: who and what it is for, and until when
    """
    period = ledger.open_period(wallet)
    ledger.hold(
        wallet,
        period,
        credits,
        counter_ids=fields.get("counter_ids", ()),
        free_credits=fields.get("free_credits", ZERO),
    )
    return Reservation.objects.create(
        wallet=wallet, period=period, credits=credits, limits=explain(limits), **fields
    )


@transaction.atomic(savepoint=False)
def grow(
    *, organization: Organization, reservation_id: UUID, credits: Decimal, now: datetime
) -> Reservation | BillingExhausted:
    """Make `credits` the new total of an open hold; no more than it has is a no-op.

    The difference is asked of the cap of the hold's own period, and of the pool. A denial is returned, and leaves the hold as it was.

    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises ReservationClosed: if it is not open
    :raises ChargeTooLarge: if the new total is more than one piece of work may cost
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if the organization is archived
    """
    likely = need_of_growth(reservation_id, credits)
    wallet, parent = lock(
        organization, now=now, needs_parent=lambda wallet: refill_is_due(wallet, likely, now=now)
    )
    require_active(wallet.organization)
    reservation = find_open(wallet, reservation_id, now=now)
    need = credits - reservation.credits
    if need <= 0:
        return reservation
    require_chargeable(wallet, credits)
    admitted = admit(wallet, parent, need, period=reservation.period, now=now)
    if isinstance(admitted, BillingExhausted):
        return admitted
    return enlarge(reservation, admitted, now=now)


def enlarge(reservation: Reservation, admitted: Admission, *, now: datetime) -> Reservation:
    """Add what was admitted to an open hold, on a locked wallet, and remember by how much and when it grew."""
    ledger.hold(
        reservation.wallet,
        reservation.period,
        admitted.credits,
        counter_ids=reservation.counter_ids,
        free_credits=admitted.free_credits,
        is_new=False,
    )
    reservation.credits += admitted.credits
    reservation.free_credits += admitted.free_credits
    reservation.limits = explain(admitted.limits)
    reservation.save(update_fields=["credits", "free_credits", "limits"])
    if admitted.credits:
        Growth.objects.create(reservation=reservation, credits=admitted.credits, grown_at=now)
    return reservation


@transaction.atomic(savepoint=False)
def extend(
    *, organization: Organization, reservation_id: UUID, time_to_live: timedelta, now: datetime
) -> Reservation:
    """Let an open hold live until `time_to_live` from now; never shorter than it has.

    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises ReservationClosed: if it is not open
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if the organization is archived
    """
    wallet, _ = lock(organization, now=now)
    require_active(wallet.organization)
    reservation = find_open(wallet, reservation_id, now=now)
    reservation.expires_at = max(reservation.expires_at, now + time_to_live)
    reservation.save(update_fields=["expires_at"])
    return reservation


@transaction.atomic(savepoint=False)
def settle(
    *,
    organization: Organization,
    reservation_id: UUID,
    credits: Decimal,
    performed_by: str,
    now: datetime,
    settled_with: dict[str, Any] | None = None,
    times_hold: int | None = None,
) -> Reservation:
    """Charge what the work really cost, and give back the rest of its hold.

    Less, equal or more than was held: the work is done, so what the wallet lacks becomes debt. Work on a free fallback is charged as far
    as the balance reaches, whatever was held; the rest is counted against the limit for that. Once: a repeat with the same input
    returns the first result. After its expiry a hold is gone but the work is still charged, and marked late.

    :param settled_with: the input as the caller gave it, if it was not this amount (tokens)
    :param times_hold: how many times its hold the work may have cost; null is any number of times
    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises ChargeTooLarge: if it is more than was held, and more than one piece of work may cost
    :raises AlreadySettled: if it was settled with another input
    :raises ReservationClosed: if it was released
    """
    given = settled_with or {"credits": f"{credits.normalize():f}"}
    wallet, parent = lock(organization, now=now, needs_parent=is_archived)
    reservation = _find(wallet, reservation_id)
    if reservation.status == Status.SETTLED:
        if reservation.settled_with == given:
            return reservation
        settled = reservation.settled_credits or ZERO
        raise AlreadySettled(f"settled for {settled:f}, with other input than this")
    if reservation.status == Status.RELEASED:
        raise ReservationClosed("released: nothing is held for this work any more")
    _require_plausible(reservation, credits, times_hold)
    reservation.late = reservation.status_at(now) == Status.EXPIRED
    charged = min(credits, _reach(reservation))
    is_open = reservation.status == Status.OPEN
    ledger.free(
        wallet,
        reservation.period,
        reservation.credits if is_open else ZERO,
        counter_ids=reservation.counter_ids,
        used=charged,
        free_credits=reservation.free_credits if is_open else ZERO,
        free_used=credits - charged,
        was_open=is_open,
    )
    if charged:
        ledger.charge(
            wallet,
            charged,
            counted_in=reservation.period,
            reservation=reservation,
            note=Note(performed_by, now, metadata=reservation.metadata),
        )
    reservation.settled_credits = charged
    reservation.settled_with = given
    close(reservation, Status.SETTLED, now=now)
    reclaim_if_archived(wallet, parent, now=now)
    return reservation


def _reach(reservation: Reservation) -> Decimal:
    """Return how much may be charged: anything, or on a free fallback what the wallet has, so that it never goes into debt."""
    balance = reservation.wallet.balance
    return max(ZERO, balance) if reservation.is_free_fallback else Decimal("Infinity")


def _require_plausible(reservation: Reservation, credits: Decimal, times_hold: int | None) -> None:
    """Refuse to charge what is rather a mistake of units. What was held is always charged.

    :raises ChargeTooLarge: if it is one
    """
    held = reservation.foreseen
    if credits <= held:
        return
    require_chargeable(reservation.wallet, credits)
    if times_hold is not None and credits > times_hold * held:
        raise ChargeTooLarge(
            f"{credits.normalize():f} credits: a personal key settles at most {times_hold} times"
            f" the {held.normalize():f} that it held"
        )


@transaction.atomic(savepoint=False)
def release(*, organization: Organization, reservation_id: UUID, now: datetime) -> Reservation:
    """Give a hold back: the work did not happen. A repeat returns the first result.

    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises ReservationClosed: if it was settled, or expired
    """
    wallet, parent = lock(organization, now=now, needs_parent=is_archived)
    reservation = _find(wallet, reservation_id)
    if reservation.status != Status.RELEASED:
        _require_open(reservation, now=now)
        give_back(wallet, reservation, Status.RELEASED, now=now)
        reclaim_if_archived(wallet, parent, now=now)
    return reservation


@transaction.atomic(savepoint=False)
def expire(*, organization: Organization, now: datetime) -> int:
    """Give back holds of an organization whose time has passed. Returns how many there were.

    At most `EXPIRED_AT_ONCE` of them, the oldest: who gets so many calls again, and the wallet is free in between.
    """
    wallet, parent = lock(organization, now=now, needs_parent=is_archived)
    expired = expire_some(wallet, now=now)
    reclaim_if_archived(wallet, parent, now=now)
    return expired


def find_open(wallet: Wallet, reservation_id: UUID, *, now: datetime) -> Reservation:
    """Return an open hold of a locked wallet.

    :raises Reservation.DoesNotExist: if the wallet has no such reservation
    :raises ReservationClosed: if it is not open
    """
    reservation = _find(wallet, reservation_id)
    _require_open(reservation, now=now)
    return reservation


def _find(wallet: Wallet, reservation_id: UUID) -> Reservation:
    reservation = wallet.reservations.select_related("period").get(id=reservation_id)
    bind(wallet, [reservation])
    return reservation


def need_of_growth(reservation_id: UUID, credits: Decimal) -> Decimal:
    """What a hold would grow by, read without a lock: only to know which locks to take."""
    held = Reservation.objects.filter(id=reservation_id).values_list("credits", flat=True).first()
    return credits - (held or ZERO)


def _require_open(reservation: Reservation, *, now: datetime) -> None:
    status = reservation.status_at(now)
    if status != Status.OPEN:
        raise ReservationClosed(f"{status}: the reservation is not open")
