"""One wallet of the reference model: lots and debt where the code keeps a balance, days where it computes a calendar."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

ZERO = Decimal(0)
FOREVER = datetime.max.replace(tzinfo=UTC)


def first_day(after: datetime, matches: Callable[[date], bool]) -> datetime:
    """Return the midnight of the first day that matches, strictly after a moment."""
    day = after.date() + timedelta(days=1)
    while not matches(day):
        day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def is_day(day: date, wanted: int) -> bool:
    is_last = (day + timedelta(days=1)).day == 1
    return day.day == wanted or (is_last and day.day < wanted)


def part_of(amount: Decimal, days: int, whole: int) -> Decimal:
    return Decimal(floor(Fraction(amount) * days / whole * 1_000_000)) / 1_000_000


@dataclass
class Lot:
    remaining: Decimal
    priority: int
    expires_at: datetime
    made: int
    included: bool = False

    @property
    def order(self) -> tuple[int, datetime, int]:
        return self.priority, self.expires_at, self.made


@dataclass
class Hold:
    credits: Decimal
    expires_at: datetime
    period: int
    status: str = "open"
    charged: Decimal = ZERO
    late: bool = False

    def is_open(self, now: datetime) -> bool:
        return self.status == "open" and now < self.expires_at


@dataclass
class Terms:
    cap: Decimal | None = None
    threshold: Decimal | None = None
    refill: Decimal | None = None
    cooldown: int = 300
    allowance: Decimal = ZERO
    per_user: Decimal = ZERO
    seat_limit: int | None = None
    first_full: bool = False
    yearly: bool = False
    anchored_on: date = date(2026, 1, 1)
    rollover: Decimal = ZERO
    overdraft: Decimal | None = ZERO
    recharge_limit: Decimal = ZERO
    cancelled: bool = False

    def next_boundary(self, after: datetime) -> datetime:
        return first_day(after, lambda day: is_day(day, self.anchored_on.day))

    def end_of_term(self, start: datetime) -> datetime:
        if not self.yearly:
            return self.next_boundary(start)
        return first_day(start, self._begins_a_term)

    def days_of_whole_term(self, end: datetime) -> int:
        day = end.date() - timedelta(days=1)
        while not self._begins_a_term(day):
            day -= timedelta(days=1)
        return (end.date() - day).days

    def _begins_a_term(self, day: date) -> bool:
        in_month = not self.yearly or day.month == self.anchored_on.month
        return in_month and is_day(day, self.anchored_on.day)


@dataclass
class Counter:
    used: Decimal = ZERO
    reserved: Decimal = ZERO
    recharged: Decimal = ZERO


@dataclass
class Wallet:
    terms: Terms
    parent: str | None = None
    status: str = "active"
    lots: list[Lot] = field(default_factory=list)
    debt: Decimal = ZERO
    holds: dict[int, Hold] = field(default_factory=dict)
    periods: list[Counter] = field(default_factory=list)
    period_ends_at: datetime = FOREVER
    term_ends_at: datetime = FOREVER
    included: Decimal = ZERO
    users: int = 0
    seats: int = 0
    share: Decimal = ZERO
    whole_days: int = 1
    in_force: Decimal = ZERO
    per_user_in_force: Decimal = ZERO
    cooldown_ends_at: datetime | None = None
    retry_at: datetime | None = None
    entries: list[tuple[str, Decimal]] = field(default_factory=list)
    made: int = 0

    def copy(self) -> "Wallet":
        return replace(
            self,
            terms=replace(self.terms),
            lots=[replace(lot) for lot in self.lots if lot.remaining],
            holds={number: replace(hold) for number, hold in self.holds.items()},
            periods=[replace(counter) for counter in self.periods],
            entries=list(self.entries),
        )

    @property
    def balance(self) -> Decimal:
        return sum((lot.remaining for lot in self.lots), ZERO) - self.debt

    @property
    def reserved(self) -> Decimal:
        return sum((h.credits for h in self.holds.values() if h.status == "open"), ZERO)

    @property
    def allowance(self) -> Decimal:
        return sum((lot.remaining for lot in self.lots if lot.included), ZERO)

    @property
    def free(self) -> Decimal:
        return self.balance - self.reserved

    @property
    def seats_taken(self) -> int:
        limit = self.terms.seat_limit
        return self.users if limit is None else min(self.users, limit)

    @property
    def transferable(self) -> Decimal:
        return max(ZERO, min(self.balance - self.allowance, self.free))

    def add(
        self,
        amount: Decimal,
        *,
        priority: int = 50,
        expires_at: datetime = FOREVER,
        included: bool = False,
    ) -> None:
        """Let credits in: debt first."""
        paid = min(self.debt, amount)
        self.debt -= paid
        self.made += 1
        self.lots.append(Lot(amount - paid, priority, expires_at, self.made, included))

    def take(self, amount: Decimal, *, prepaid_only: bool = False) -> list[tuple[Lot, Decimal]]:
        """Let credits out, in the order of drawing; what is missing is debt."""
        taken = []
        for lot in sorted(self.lots, key=lambda lot: lot.order):
            part = min(lot.remaining, amount)
            if part and not (prepaid_only and lot.included):
                lot.remaining -= part
                amount -= part
                taken.append((lot, part))
        self.debt += amount
        return taken

    def lapse(self, moment: datetime, *, keep: Decimal = ZERO) -> None:
        """End what expires by a moment, but for `keep` of the allowance of the term."""
        ending = [lot for lot in self.lots if lot.expires_at <= moment]
        lost = sum((lot.remaining for lot in ending), ZERO) - keep
        for lot in ending:
            lot.remaining = ZERO
        if lost:
            self.entries.append(("lapse", -lost))

    def expire(self, now: datetime) -> int:
        due = [h for h in self.holds.values() if h.status == "open" and h.expires_at <= now]
        for hold in due:
            self.end(hold, "expired")
        return len(due)

    def end(self, hold: Hold, status: str) -> None:
        if hold.status == "open":
            self.periods[hold.period].reserved -= hold.credits
        hold.status = status
