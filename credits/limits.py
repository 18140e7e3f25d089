"""What stands in the way of a hold. Pure: numbers in, the room that is left and the limit that binds out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from organizations.ids import write

ZERO = Decimal(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Scope = Literal["shutoff", "actor", "group", "resource", "organization", "pool", "free_fallback"]
SCOPES: tuple[Scope, ...] = (
    "shutoff",
    "actor",
    "group",
    "resource",
    "organization",
    "pool",
    "free_fallback",
)
"""By the number that stands for each in `figures`."""
REASONS: dict[Scope, str] = {
    "shutoff": "shutoff",
    "actor": "actor_cap",
    "group": "group_cap",
    "resource": "entity_budget",
    "organization": "cap",
    "pool": "balance",
    "free_fallback": "free_fallback_limit",
}
"""What a denial by a limit is called."""


class Capped(NamedTuple):
    """Whom a hold is counted for in its month, besides the organization, and the cap that is set on them, if any."""

    scope: Scope
    cap: Decimal | None = None
    actor_id: UUID | None = None
    group_id: UUID | None = None
    resource_type: str = ""
    resource_id: str = ""

    @property
    def name(self) -> str:
        """What its limit is the limit of."""
        if self.actor_id is not None:
            return write("act", self.actor_id)
        if self.group_id is not None:
            return write("grp", self.group_id)
        return f"{self.resource_type}/{self.resource_id}"


def names_of(organization_id: UUID, capped: Sequence[Capped]) -> dict[str, str]:
    """Return what the limits of a hold are the limits of, by their scope."""
    names: dict[str, str] = dict.fromkeys(SCOPES, write("org", organization_id))
    for each in capped:
        names[each.scope] = each.name
    return names


class Limit(NamedTuple):
    """One number nobody crosses, as it stood at the moment of a decision. Amounts in credits.

    `cap` null is no limit, 0 is nothing. `resets_at` is null where no calendar brings relief.
    """

    scope: Scope
    id: str
    cap: Decimal | None
    used: Decimal
    reserved: Decimal
    resets_at: datetime | None

    @property
    def reason(self) -> str:
        """What a denial by this limit is called: `cap`, `balance`, …"""
        return REASONS[self.scope]

    @property
    def room(self) -> Decimal | None:
        """How much more it admits; null is any amount. Negative where it is already crossed."""
        return None if self.cap is None else self.cap - self.used - self.reserved


def limits_of(figures: Sequence[Decimal | None], names: Mapping[str, str]) -> list[Limit]:
    """Return the limits that a decision looked at.

    :param figures: five of each limit, as `credits_hold_2` returns and a reservation keeps them: the number of its scope, its cap, what is
        used and reserved of it, and when it resets in seconds since 1970
    :param names: what each scope is the limit of
    """
    limits = []
    for at in range(0, len(figures), 5):
        number, cap, used, reserved, resets_at = figures[at : at + 5]
        scope = SCOPES[int(number or 0)]
        moment = None if resets_at is None else EPOCH + timedelta(seconds=int(resets_at))
        limits.append(Limit(scope, names[scope], cap, used or ZERO, reserved or ZERO, moment))
    return limits


def affordable(limits: Sequence[Limit]) -> Decimal | None:
    """Return the largest amount that all of these limits admit; null if none of them is a limit."""
    rooms = [limit.room for limit in limits if limit.room is not None]
    return max(ZERO, min(rooms)) if rooms else None


def binding(limits: Sequence[Limit]) -> Limit | None:
    """Return the limit with the least room: the one that decides how much is admitted.

    The shutoff is no measure of a hold: it compares what is settled.
    """
    narrowest, least = None, None
    for limit in limits:
        room = None if limit.scope == "shutoff" else limit.room
        if room is not None and (least is None or room < least):
            narrowest, least = limit, room
    return narrowest


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
