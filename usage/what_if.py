"""A month once more by other rules: which rules differ, and how far each of two courses of it is. Pure.

One course goes by the rules as they are, the other by those that are tried. Work is refused by the trial where its own course refuses it
and the other one does not: so what nothing was changed for comes out as it was, to the last digit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from usage.pricing import Price

ZERO = Decimal(0)
Figure = Decimal | None
"""Null is no limit."""


class TriedCard(NamedTuple):
    """Prices of one model that nobody wrote yet, as they would be from a moment on."""

    model: str
    starts_at: datetime
    prices: tuple[Price, ...]


RULES = {
    "monthly_cap": "cap of a billing period",
    "overdraft_limit": "overdraft",
    "downgrade": "downgrade threshold",
    "shutoff": "shutoff threshold",
}
"""The rules of an organization that are numbers."""
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Changes:
    """Which rules differ. What is not named stays."""

    rules: Mapping[str, Figure] = field(default_factory=dict)
    """By their names in `RULES`."""
    limits: Mapping[str, Figure] = field(default_factory=dict)
    """Caps of a month, by the key of their subject (`actor_key`, `group_key`), or of everybody who has no limit of their own."""
    profile: UUID | None = None
    """Which profile everybody has: whose limit and model tiers."""
    prices_of: datetime | None = None
    """The moment whose prices are asked of all work."""
    multiplier: Decimal | None = None
    """By what the price of work is multiplied."""
    card: TriedCard | None = None
    """Prices that are asked of the work of their model, instead of those of then."""

    @property
    def reprices(self) -> bool:
        return any(each is not None for each in (self.prices_of, self.multiplier, self.card))

    def rule(self, name: str, otherwise: Figure) -> Figure:
        """Return a rule as it is tried."""
        return self.rules.get(name, otherwise)

    def as_json(self) -> dict[str, Any]:
        """Return what `changes_of` reads."""
        said: dict[str, Any] = {}
        if self.rules:
            said["rules"] = _written(self.rules)
        if self.limits:
            said["limits"] = _written(self.limits)
        if self.profile is not None:
            said["profile"] = str(self.profile)
        if self.prices_of is not None:
            said["prices_of"] = self.prices_of.isoformat()
        if self.multiplier is not None:
            said["multiplier"] = str(self.multiplier)
        if self.card is not None:
            said["card"] = _written_card(self.card)
        return said


def changes_of(said: Mapping[str, Any]) -> Changes:
    """Read what `Changes.as_json` wrote."""
    return Changes(
        rules=_read(said.get("rules", {})),
        limits=_read(said.get("limits", {})),
        profile=UUID(said["profile"]) if "profile" in said else None,
        prices_of=datetime.fromisoformat(said["prices_of"]) if "prices_of" in said else None,
        multiplier=Decimal(said["multiplier"]) if "multiplier" in said else None,
        card=_read_card(said["card"]) if "card" in said else None,
    )


def actor_key(id: UUID) -> str:
    return f"actor {id}"


def group_key(id: UUID) -> str:
    return f"group {id}"


def resource_key(resource_type: str, resource_id: str) -> str:
    return f"resource {resource_type} {resource_id}"


class Verdict(NamedTuple):
    """What one course says of a piece of work."""

    is_admitted: bool
    limit: str = ""
    """What refused it: the scope of a limit, or the row of the terms."""
    on_fallback: bool = False


@dataclass
class Course:
    """How far a month has come."""

    pool: Decimal
    """The balance of the wallet."""
    settled: Decimal = ZERO
    taken: dict[str, Decimal] = field(default_factory=dict)
    """Of each subject's month, by its key."""
    periods: dict[str, Decimal] = field(default_factory=dict)
    """Of each billing period, by its id."""

    def taken_of(self, keys: Iterable[str]) -> list[Decimal]:
        return [self.taken.get(key, ZERO) for key in keys]

    def of_period(self, period: str) -> Decimal:
        return self.periods.get(period, ZERO)

    def spend(self, credits: Decimal, *, keys: Iterable[str], period: str) -> None:
        """Count and pay for work."""
        self.pool -= credits
        self.settled += credits
        self.periods[period] = self.of_period(period) + credits
        for key in keys:
            self.taken[key] = self.taken.get(key, ZERO) + credits

    def as_json(self) -> dict[str, Any]:
        """Return what `course_of` reads."""
        return {
            "pool": str(self.pool),
            "settled": str(self.settled),
            "taken": _written(self.taken),
            "periods": _written(self.periods),
        }


def course_of(said: Mapping[str, Any]) -> Course:
    """Read what `Course.as_json` wrote."""
    return Course(
        pool=Decimal(said["pool"]),
        settled=Decimal(said["settled"]),
        taken={key: Decimal(value) for key, value in said["taken"].items()},
        periods={key: Decimal(value) for key, value in said["periods"].items()},
    )


def outcome(before: Verdict, after: Verdict) -> str:
    """Return what the trial does to work that the rules as they are say `before` of: one of `kept`, `refused`, `downgraded`, `spared`, `admitted`.

    `spared` work would not have been downgraded; `admitted` would not have been refused.
    """
    if before.is_admitted and not after.is_admitted:
        return "refused"
    if after.is_admitted and not before.is_admitted:
        return "admitted"
    if before.on_fallback == after.on_fallback:
        return "kept"
    return "downgraded" if after.on_fallback else "spared"


def _written_card(card: TriedCard) -> dict[str, Any]:
    prices = [[*each[:1], each.text, *each[2:]] for each in card.prices]
    return {"model": card.model, "starts_at": card.starts_at.isoformat(), "prices": prices}


def _read_card(said: Mapping[str, Any]) -> TriedCard:
    prices = (
        Price(unit, None if amount is None else Decimal(amount), *rest)
        for unit, amount, *rest in said["prices"]
    )
    return TriedCard(said["model"], datetime.fromisoformat(said["starts_at"]), tuple(prices))


def _written(figures: Mapping[str, Figure]) -> dict[str, str | None]:
    return {key: None if value is None else str(value) for key, value in figures.items()}


def _read(said: Mapping[str, str | None]) -> dict[str, Figure]:
    return {key: None if value is None else Decimal(value) for key, value in said.items()}
