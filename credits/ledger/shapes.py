"""What the ledger is told: which credits, where they come from, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from credits.models import ZERO, BillingPeriod, Grant, LedgerEntry, Reservation, Wallet


@dataclass(frozen=True)
class Lot:
    """A grant to be made: credits, where they come from, and until when.

    Without a category it is what its source usually is. An id is said where it stands for the grant already.
    """

    amount: Decimal
    source: Grant.Source
    expires_at: datetime | None = None
    priority: int = 50
    term_starts_at: datetime | None = None
    seat: int = 0
    upgrade: int = 0
    name: str = ""
    category: str = ""
    id: UUID | None = None


@dataclass(frozen=True)
class Note:
    """What an entry says besides its numbers: who, when, why, and for which payment or order."""

    performed_by: str
    posted_at: datetime
    reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class Draw:
    """By how much an entry changes what remains of a grant."""

    grant: Grant
    amount: Decimal


@dataclass(frozen=True)
class Posting:
    """An entry to be written, with the grants that it draws on and the lots that it brings.

    The amount is what these come to, unless it is said: work may leave a debt.
    """

    wallet: Wallet
    kind: LedgerEntry.Kind
    note: Note
    draws: Sequence[Draw] = ()
    lots: Sequence[Lot] = ()
    amount: Decimal | None = None
    reservation: Reservation | None = None
    counted_in: BillingPeriod | None = None
    transfer_id: UUID | None = None
    reverses: LedgerEntry | None = None

    @property
    def total(self) -> Decimal:
        if self.amount is not None:
            return self.amount
        drawn = sum((draw.amount for draw in self.draws), ZERO)
        return sum((lot.amount for lot in self.lots), drawn)


def remaining(grants: Iterable[Grant]) -> Decimal:
    """Return what these grants hold together."""
    return sum((grant.remaining for grant in grants), ZERO)


def take(grants: Iterable[Grant], amount: Decimal) -> list[Draw]:
    """Return the draws that take up to `amount` from these grants, in their order; none of a grant that is empty."""
    draws = []
    for grant in grants:
        if amount <= 0:
            break
        if grant.remaining == 0:
            continue
        part = min(grant.remaining, amount)
        draws.append(Draw(grant, -part))
        amount -= part
    return draws
