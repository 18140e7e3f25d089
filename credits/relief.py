"""When a refusal ends by itself: what time alone does to a wallet, as numbers. Pure.

Holds end and give back what they reserved, credits lapse, months and billing periods begin anew, terms bring an allowance, a cooldown ends.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

ZERO = Decimal(0)


class Ending(NamedTuple):
    """What the end of one hold gives back, or that of several."""

    at: datetime
    credits: Decimal
    free: Decimal
    """Of the month's limit for free fallbacks."""
    of_period: Decimal
    of_subjects: tuple[Decimal, ...]
    """Of the counters of the month, in the order of the caps."""
    holds: int = 1
    holds_of_actor: int = 0

    def and_then(self, later: "Ending") -> "Ending":
        """Return what both give back, once the later one has ended."""
        subjects = zip(self.of_subjects, later.of_subjects, strict=True)
        return Ending(
            later.at,
            self.credits + later.credits,
            self.free + later.free,
            self.of_period + later.of_period,
            tuple(mine + its for mine, its in subjects),
            self.holds + later.holds,
            self.holds_of_actor + later.holds_of_actor,
        )


@dataclass
class State:
    """What an admission compares, at a moment."""

    pool: Decimal
    """The balance of the wallet."""
    allowance: Decimal
    reserved: Decimal
    settled: Decimal
    free_taken: Decimal
    period_taken: Decimal
    subjects_taken: tuple[Decimal, ...]
    holds: int = 0
    holds_of_actor: int = 0
    may_refill: bool = False

    def after(self, ended: Ending | None) -> "State":
        """Return it without what these holds had reserved."""
        if ended is None:
            return self
        taken = zip(self.subjects_taken, ended.of_subjects, strict=True)
        return State(
            self.pool,
            self.allowance,
            self.reserved - ended.credits,
            self.settled,
            self.free_taken - ended.free,
            self.period_taken - ended.of_period,
            tuple(mine - its for mine, its in taken),
            self.holds - ended.holds,
            self.holds_of_actor - ended.holds_of_actor,
            self.may_refill,
        )


class Event(NamedTuple):
    """Something that happens to a wallet at a moment, besides the end of holds."""

    at: datetime
    happen: Callable[["Course"], None]


@dataclass
class Course:
    """A wallet on its way through time: as it stands but for what its holds give back, and what of these matters no more."""

    state: State
    endings: Sequence[Ending]
    """By their moments."""
    is_new_month: bool = False
    is_new_period: bool = False
    ended: list[Ending] = field(init=False)
    """What all of them have given back by the end of each."""

    def __post_init__(self) -> None:
        self.ended = list(accumulate(self.endings, Ending.and_then))

    def begin_month(self) -> None:
        """Count what is of a month from nothing."""
        state, self.is_new_month = self.state, True
        state.settled = state.free_taken = ZERO
        state.subjects_taken = tuple(ZERO for _ in state.subjects_taken)

    def begin_period(self) -> None:
        """Count what is of a billing period from nothing."""
        self.state.period_taken, self.is_new_period = ZERO, True

    def begin_term(self, brings: Decimal, most_rolled_over: Decimal) -> None:
        """Let what is left of the allowance lapse, but for what rolls over, and bring the next: debt takes of it first."""
        state = self.state
        rolled = min(state.allowance, most_rolled_over)
        before = state.pool - state.allowance
        state.pool = before + rolled + brings
        debt = max(ZERO, -(before + rolled))
        state.allowance = max(ZERO, rolled + brings - debt)

    def lapse(self, credits: Decimal, *, of_allowance: bool) -> None:
        self.state.pool -= credits
        if of_allowance:
            self.state.allowance -= credits

    def at(self, number: int) -> State:
        """Return the state once so many holds have ended."""
        if not number:
            return self.state
        ended = self.ended[number - 1]
        if self.is_new_month:
            nothing = tuple(ZERO for _ in ended.of_subjects)
            ended = ended._replace(free=ZERO, of_subjects=nothing)
        if self.is_new_period:
            ended = ended._replace(of_period=ZERO)
        return self.state.after(ended)


def first_pass(
    course: Course,
    events: Sequence[Event],
    passes: Callable[[State], bool],
    *,
    until: datetime,
) -> datetime | None:
    """Return the earliest moment from which on something passes, if it does before a moment.

    Between two events only holds end, so what passes once goes on passing: there it is looked for by halves.
    """
    moments = [ending.at for ending in course.endings]
    happening: dict[datetime, list[Event]] = {}
    for event in sorted((e for e in events if e.at < until), key=attrgetter("at")):
        happening.setdefault(event.at, []).append(event)
    number = 0
    for at in [*happening, until]:
        before = bisect_left(moments, at)
        if before > number and passes(course.at(before)):
            least = _least(lambda n: passes(course.at(n)), number + 1, before)
            return moments[least - 1]
        if at == until:
            return None
        for event in happening[at]:
            event.happen(course)
        number = bisect_right(moments, at)
        if passes(course.at(number)):
            return at
    return None


def _least(is_enough: Callable[[int], bool], low: int, high: int) -> int:
    """Return the least number that is enough, where all above it are, and `high` is."""
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low
