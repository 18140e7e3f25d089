"""What stands in the way of a hold. Pure: numbers in, the room that is left and the limit that binds out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

ZERO = Decimal(0)


@dataclass(frozen=True)
class Limit:
    """One number nobody crosses, as it stood at the moment of a decision. Amounts in credits.

    `cap` null is no limit, 0 is nothing. `resets_at` is null where no calendar brings relief.
    """

    scope: Literal["shutoff", "actor", "group", "resource", "organization", "pool", "free_fallback"]
    id: str
    cap: Decimal | None
    used: Decimal
    reserved: Decimal
    resets_at: datetime | None
    reason: str
    """What a denial by this limit is called: `cap`, `balance`, …"""

    @property
    def room(self) -> Decimal | None:
        """How much more it admits; null is any amount. Negative where it is already crossed."""
        return None if self.cap is None else self.cap - self.used - self.reserved

    def admits(self, need: Decimal) -> bool:
        """Whether `need` more credits stay within it: landing on a cap is allowed, 0 is nothing.

        A cap of 0 refuses even what is free. An empty pool does not: that is no wish of anybody's.
        """
        if self.room is None:
            return True
        return need <= self.room and (self.cap != 0 or self.scope == "pool")


def fit(limit: Limit, need: Decimal, *, up_to: bool) -> Decimal | None:
    """Return how much of `need` a limit admits: all of it, what fits if that will do, or None."""
    if limit.admits(need):
        return need
    if up_to and limit.room is not None and limit.room > 0:
        return limit.room
    return None


def affordable(limits: Sequence[Limit]) -> Decimal | None:
    """Return the largest amount that all of these limits admit; null if none of them is a limit."""
    rooms = [limit.room for limit in limits if limit.room is not None]
    return max(ZERO, min(rooms)) if rooms else None


def binding(limits: Sequence[Limit]) -> Limit | None:
    """Return the limit with the least room: the one that decides how much is admitted.

    The shutoff is no measure of a hold: it compares what is settled.
    """
    capped = [limit for limit in limits if limit.room is not None and limit.scope != "shutoff"]
    return min(capped, key=lambda limit: limit.room or ZERO, default=None)


def explain(limits: Sequence[Limit], refused_by: str | None = None) -> list[dict[str, Any]]:
    """Return limits as they are kept and told: amounts as text, so that none turns into a float.

    :param refused_by: the reason of a denial: then its limit is the binding one, whatever has less room
    """
    refusing = next((limit for limit in limits if limit.reason == refused_by), None)
    bound = refusing or binding(limits)
    return [
        {
            "scope": limit.scope,
            "id": limit.id,
            "cap": None if limit.cap is None else f"{limit.cap:f}",
            "used": f"{limit.used:f}",
            "reserved": f"{limit.reserved:f}",
            "remaining": None if limit.room is None else f"{max(ZERO, limit.room):f}",
            "resetsAt": limit.resets_at.isoformat() if limit.resets_at else None,
            "binding": limit is bound,
        }
        for limit in limits
    ]
