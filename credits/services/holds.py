"""Holds: credits set aside before work, charged or given back after it."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from credits import ledger
from credits.ledger import Outcome, Wanted
from credits.models import Reservation, Wallet
from credits.services.ending import bind, expire_some, give_back, has_due, reclaim_if_archived
from credits.services.locking import is_archived, lock, lock_family
from credits.services.refills import refill
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


class Asked(NamedTuple):
    """What was wanted in the end, what came of it, and the wallet that was asked: as it was before, and locked."""

    wallet: Wallet
    wanted: Wanted
    outcome: Outcome


READINGS = 5
"""How often terms are read again that somebody edits meanwhile."""
ROOM = {"denied", "crowded", "part", "refill"}
"""What might come of it otherwise, were there more room."""


def admit(
    organization: Organization,
    asking: Callable[[], Wanted],
    *,
    now: datetime,
    fitting: Callable[[Wanted, Outcome], Wanted] | None = None,
) -> Asked:
    """Ask for a hold the longer way, in the caller's transaction: do first what keeps it from being decided at once.

    Lock the wallet and post what is due; give back holds whose time has passed, for they never stand in the way; refill by rule, with the
    parent locked too. Then the admission is asked as by everybody.

    :param asking: returns what is wanted, by terms that are read under the lock
    :param fitting: returns what is wanted instead where only a part is admitted; without it that part is held
    :returns: with the outcome `ending` if there were more of those holds than one request gives back: what it gave back must stay
    """
    point = transaction.savepoint()
    wallet = lock(organization, now=now).wallet
    asked = _ask(wallet, asking, now=now)
    if asked.outcome.outcome == "refill":
        # Locks go parent before child: let go of the child, and of what was written on the way.
        transaction.savepoint_rollback(point)
        asked = _ask_with_parent(organization, asking, now=now)
    else:
        transaction.savepoint_commit(point)
    if asked.outcome.outcome != "part":
        return asked
    wanted = fitting(asked.wanted, asked.outcome) if fitting else asked.wanted
    outcome = ledger.hold(wanted, refills=False, takes_part=True)
    return Asked(asked.wallet, wanted, outcome)


def _ask(wallet: Wallet, asking: Callable[[], Wanted], *, now: datetime) -> Asked:
    asked = _decided(wallet, asking)
    if asked.outcome.outcome not in ROOM:
        return asked
    ended = expire_some(wallet, now=now)
    if ended:
        asked = _decided(wallet, asking)
    may_be_more = ended == ledger.EXPIRED_AT_ONCE and asked.outcome.outcome in ROOM
    if may_be_more and has_due(wallet, now=now):
        return asked._replace(outcome=asked.outcome._replace(outcome="ending"))
    return asked


def _decided(wallet: Wallet, asking: Callable[[], Wanted]) -> Asked:
    """Ask once, by the terms of now. The lock holds those of the wallet; the parent and the catalogue may be edited all the same."""
    for _ in range(READINGS):
        wanted = asking()
        outcome = ledger.hold(wanted)
        if outcome.outcome != "stale":
            break
    return Asked(wallet, wanted, outcome)


def _ask_with_parent(
    organization: Organization, asking: Callable[[], Wanted], *, now: datetime
) -> Asked:
    wallet, parent = lock_family(organization, now=now)
    asked = _ask(wallet, asking, now=now)
    if asked.outcome.outcome != "refill":
        return asked
    wanted = asked.wanted
    if wanted.kind != "check":
        refill(wallet, parent, now=now)
        return Asked(wallet, wanted, ledger.hold(wanted, refills=False))
    point = transaction.savepoint()
    refill(wallet, parent, now=now)
    outcome = ledger.hold(wanted, refills=False)
    transaction.savepoint_rollback(point)
    return Asked(wallet, wanted, outcome)


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
    ledger.read_figures(reservation).save(update_fields=["expires_at", "figures"])
    return reservation


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


RELEASED_AT_ONCE = ledger.EXPIRED_AT_ONCE


@transaction.atomic(savepoint=False)
def release_many(
    *,
    organization: Organization,
    now: datetime,
    holds: Collection[UUID] | None = None,
    made_before: datetime | None = None,
) -> int:
    """Give back open holds of an organization whose work will not be settled. Returns how many there were.

    At most `RELEASED_AT_ONCE` of them, the oldest first: who gets so many calls again, and the wallet is free in between. What settles one of them
    later is refused, as for any hold that was released.

    :param holds: which, by their ids: those that are no longer open, or another's, are left out
    :param made_before: only those that were made before this moment
    """
    wallet, parent = lock(organization, now=now, needs_parent=is_archived)
    rows = stuck(organization, now=now, holds=holds, made_before=made_before)
    ids = list(rows.order_by("created_at", "id").values_list("id", flat=True)[:RELEASED_AT_ONCE])
    released = ledger.release(
        wallet, ids, now=ledger.moment(now, wallet), periods=[ledger.open_period(wallet)]
    )
    reclaim_if_archived(wallet, parent, now=now)
    return released


def stuck(
    organization: Organization,
    *,
    now: datetime,
    holds: Collection[UUID] | None = None,
    made_before: datetime | None = None,
) -> QuerySet[Reservation]:
    """Return what `release_many` would give back, if there were no bound. What has expired by itself is not among it."""
    rows = Reservation.objects.filter(
        wallet__organization=organization, status=Status.OPEN, expires_at__gt=now
    )
    if holds is not None:
        rows = rows.filter(pk__in=holds)
    return rows if made_before is None else rows.filter(created_at__lt=made_before)


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


def _require_open(reservation: Reservation, *, now: datetime) -> None:
    status = reservation.status_at(now)
    if status != Status.OPEN:
        raise ReservationClosed(f"{status}: the reservation is not open")
