"""How many holds may be open at once, of an organization and of each actor: a hold costs a row, also one of no credits."""

from datetime import datetime
from typing import ClassVar

from credits.ledger import Outcome, Wanted
from credits.models import Wallet
from credits.services.admission import BillingExhausted


class TooManyHolds(BillingExhausted):
    """As many holds are open as may be: one of them must end first."""

    code: ClassVar[str] = "RATE_LIMITED"

    def __init__(self, message: str, *, unblocks_at: datetime | None, now: datetime) -> None:
        super().__init__(message, reason="open_holds", unblocks_at=unblocks_at)
        self.wait = None if unblocks_at is None else max(1.0, (unblocks_at - now).total_seconds())
        """Until it passes by itself, in seconds."""


class HoldsAreEnding(BillingExhausted):
    """More holds have run out of time than one request gives back: ask again in a moment, before the answer is no."""

    code: ClassVar[str] = "UNAVAILABLE"
    wait = 1.0
    """After how many seconds."""

    def __init__(self) -> None:
        message = "holds whose time has passed are being given back: ask again"
        super().__init__(message, reason="holds_ending")
        self.details = {}  # nothing was decided yet, so there is nothing to tell


def too_many(
    wallet: Wallet, wanted: Wanted, outcome: Outcome, unblocks_at: datetime | None
) -> TooManyHolds:
    """Return why an admission found a locked wallet crowded."""
    config = wallet.config
    of_all = outcome.denied_by == 1
    most = config.open_holds_limit if of_all else config.actor_open_holds_limit
    whose = "of the organization" if of_all else "of the actor"
    return TooManyHolds(
        f"{most} holds {whose} are open, and no more may be",
        unblocks_at=unblocks_at,
        now=wanted.now,
    )
