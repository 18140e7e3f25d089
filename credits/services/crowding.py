"""How many holds may be open at once, of an organization and of each actor: a hold costs a row, also one of no credits."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet

from credits.models import Reservation, Wallet
from credits.services.admission import BillingExhausted
from credits.services.ending import expire_due


class TooManyHolds(BillingExhausted):
    """As many holds are open as may be: one of them must end first."""

    code: ClassVar[str] = "RATE_LIMITED"

    def __init__(self, message: str, *, unblocks_at: datetime | None, now: datetime) -> None:
        super().__init__(message, reason="open_holds", unblocks_at=unblocks_at)
        self.wait = None if unblocks_at is None else (unblocks_at - now).total_seconds()
        """Until the next of them ends by itself, in seconds."""


def too_many(wallet: Wallet, *, actor_id: UUID | None = None, now: datetime) -> TooManyHolds | None:
    """Return the denial of one more hold on a locked wallet, if as many are open as may be.

    The wallet knows how many there are; those of an actor are counted only where there are as many in all. Holds whose time has passed
    do not stand in the way.
    """
    rows = wallet.reservations.filter(status=Reservation.Status.OPEN, expires_at__gt=now)
    most = wallet.config.open_holds_limit
    if _is_full(wallet.open_holds, most):
        expire_due(wallet, now=now)
    if _is_full(wallet.open_holds, most):
        return _denial(rows, "of the organization", most, now=now)
    most = wallet.config.actor_open_holds_limit
    if actor_id is not None and _is_full(wallet.open_holds, most):
        rows = rows.filter(actor=actor_id)
        if _is_full(rows[:most].count(), most):
            return _denial(rows, "of the actor", most, now=now)
    return None


def _is_full(count: int, most: int | None) -> bool:
    return most is not None and count >= most


def _denial(
    rows: QuerySet[Reservation], whose: str, most: int | None, *, now: datetime
) -> TooManyHolds:
    next_ends_at = rows.order_by("expires_at").values_list("expires_at", flat=True).first()
    return TooManyHolds(
        f"{most} holds {whose} are open, and no more may be", unblocks_at=next_ends_at, now=now
    )
