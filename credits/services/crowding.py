"""How many holds may be open at once, of an organization and of each actor: a hold costs a row, also one of no credits."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from credits.ledger import Outcome, Wanted
from credits.models import Reservation, Wallet
from credits.services.admission import BillingExhausted


class TooManyHolds(BillingExhausted):
    """As many holds are open as may be: one of them must end first."""

    code: ClassVar[str] = "RATE_LIMITED"

    def __init__(self, message: str, *, unblocks_at: datetime | None, now: datetime) -> None:
        super().__init__(message, reason="open_holds", unblocks_at=unblocks_at)
        self.wait = None if unblocks_at is None else max(1.0, (unblocks_at - now).total_seconds())
        """Until the next of them ends by itself, in seconds."""


class HoldsAreEnding(BillingExhausted):
    """More holds have run out of time than one request gives back: ask again in a moment, before the answer is no."""

    code: ClassVar[str] = "UNAVAILABLE"
    wait = 1.0
    """After how many seconds."""

    def __init__(self) -> None:
        message = "holds whose time has passed are being given back: ask again"
        super().__init__(message, reason="holds_ending")
        self.details = {}  # nothing was decided yet, so there is nothing to tell


def too_many(wallet: Wallet, wanted: Wanted, outcome: Outcome) -> TooManyHolds:
    """Return why an admission found a locked wallet crowded, and when the next of its holds ends."""
    if outcome.denied_by == 1:
        return _denial(
            wallet, "of the organization", wallet.config.open_holds_limit, now=wanted.now
        )
    actor_id = next(each.actor_id for each in wanted.capped if each.actor_id is not None)
    most = wallet.config.actor_open_holds_limit
    return _denial(wallet, "of the actor", most, actor_id=actor_id, now=wanted.now)


def _denial(
    wallet: Wallet, whose: str, most: int | None, *, actor_id: UUID | None = None, now: datetime
) -> TooManyHolds:
    rows = wallet.reservations.filter(status=Reservation.Status.OPEN, expires_at__gt=now)
    if actor_id is not None:
        rows = rows.filter(actor=actor_id)
    next_ends_at = rows.order_by("expires_at").values_list("expires_at", flat=True).first()
    return TooManyHolds(
        f"{most} holds {whose} are open, and no more may be", unblocks_at=next_ends_at, now=now
    )
