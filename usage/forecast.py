"""When credits are used up, and an overdraft, and when a cap is reached, as ranges: from the use of past days, with its weekly shape and its growth. Pure.

Many courses of what is to come are drawn from the days that were, each from days of the same weekday, and a wallet is led along each of
them with all that is known to come: what lapses, begins, is refilled and renewed (`usage.flows`). Each course has a seed of its own, so the
same past gives the same range, and how far one looks changes nothing of what is nearer. These are estimates, so they are reckoned in
floats; no credit is ever booked by them.
"""

from collections.abc import Iterator, Sequence
from math import exp, inf
from random import Random
from typing import NamedTuple

from usage.courses import Course, steps_of
from usage.flows import NEARLY_NOTHING, Flows

LEAST = 14
"""So many whole days must be behind us: two of each weekday."""
MOST = 56
AHEAD = 90
"""So many days are looked ahead, unless somebody asks for another number."""
FURTHEST = 366
COURSES = 100
LEFT_OUT = 2
"""So many courses at each end are not in the range."""
GROWTH_LASTS = 28
"""For so many days growth is carried on; then use stays where it got to."""
STEEPEST = 1.03
"""The growth of a day that is believed at most, up or down."""
FEW = 4
"""Fewer weeks than these say nothing of growth: it may be any that is usual."""
UNKNOWN = 0.006
"""How far the growth of a day is usually from none."""
SURE = 8
"""From so many weeks on a growth is believed as it was measured; of fewer a part of it."""


class Span(NamedTuple):
    """Between which moments something happens, in days from now; None is not within the days that were looked at."""

    earliest: float | None
    likely: float | None
    """Half of the courses are there by then."""
    latest: float | None

    @property
    def is_now(self) -> bool:
        return self.latest == 0


NEVER = Span(None, None, None)


class Forecast(NamedTuple):
    """When the credits of a wallet are used up, when its cap is reached, and when its overdraft is used up, too."""

    pool: Span
    cap: Span
    overdraft: Span


class Mark(NamedTuple):
    """So much use, within so many days from now."""

    days: float
    amount: float


def is_enough(past: Sequence[float]) -> bool:
    """Whether so many days are behind us that something can be said."""
    return len(past) >= LEAST


def foresee(flows: Flows, *, days: int = AHEAD, day_left: float = 1.0) -> Forecast:
    """Return when the pool is empty, the cap reached and the overdraft used up, in 96 courses of a hundred each.

    :param days: how far ahead is looked
    :param day_left: the part of today that is still to come
    """
    steps = steps_of(flows, days=days, day_left=day_left)
    draws = _Draws(flows.past)
    of_parent = _Draws(flows.parent.past) if flows.parent else None
    pool, cap, overdraft = [], [], []
    for number in range(COURSES):
        random = Random(number)
        settled = random.random()
        used = draws.course(random)
        used_by_parent = of_parent.course(Random(COURSES + number)) if of_parent else None
        course = Course(flows, settled=settled)
        course.go(steps, used, used_by_parent)
        pool.append(course.empty)
        cap.append(course.capped)
        overdraft.append(course.refused)
    return Forecast(_span(pool), _span(cap), _span(overdraft))


def may_use(past: Sequence[float], marks: Sequence[Mark], *, day_left: float = 1.0) -> bool:
    """Whether one of some marks is passed on half of the courses along which `foresee` leads a wallet, if nothing stops the work.

    That is much less than a forecast: nothing is read for it, and no wallet is led along.
    """
    draws, half = _Draws(past), COURSES // 2
    passed = 0
    for number in range(COURSES):
        random = Random(number)
        random.random()  # the part of the holds that is charged
        passed += _passes(draws.course(random), marks, day_left)
        if passed > half or number + 1 - passed >= half:  # the others change nothing of it
            break
    return passed > half


def _passes(used: Iterator[float], marks: Sequence[Mark], day_left: float) -> bool:
    furthest, total, begins, ends = max(mark.days for mark in marks), 0.0, 0.0, day_left
    for a_day in used:
        for days, amount in marks:
            by_then = total + a_day * (min(days, ends) - begins)
            if begins <= days and by_then >= amount - NEARLY_NOTHING:
                return True
        if ends >= furthest:
            return False
        total += a_day * (ends - begins)
        begins, ends = ends, ends + 1.0
    return False


def _span(moments: list[float]) -> Span:
    moments.sort()
    found = moments[LEFT_OUT], moments[COURSES // 2], moments[-LEFT_OUT - 1]
    return Span(*(None if moment == inf else moment for moment in found))


class _Draws:
    """Days that are drawn from a past."""

    def __init__(self, past: Sequence[float]) -> None:
        self.past = past = past[-MOST:]
        self.weeks = [sum(past[len(past) - 7 * (back + 1) :][:7]) for back in range(len(past) // 7)]
        self.backs = [range(7 - weekday, len(past) + 1, 7) for weekday in range(7)]

    def course(self, random: Random) -> Iterator[float]:
        """Yield what is used on each day from today on, on one course."""
        past = self.past
        if not sum(self.weeks):
            yield from _nothing()
        growth, level, day = self._growth(random), self._level(random), 0
        choose = random.random
        while True:
            backs = self.backs[day % 7]
            back = backs[int(choose() * len(backs))]
            yield past[-back] * level * growth ** (back + min(day, GROWTH_LASTS))
            day += 1

    def _level(self, random: Random) -> float:
        """Return how much more or less is used than was, as the weeks say it when they are drawn anew: of few weeks one knows less."""
        weeks = self.weeks
        return sum(random.choices(weeks, k=len(weeks))) / sum(weeks)

    def _growth(self, random: Random) -> float:
        """Return by how much use grows a day, as two halves of the past say it whose weeks are drawn anew."""
        weeks, half = self.weeks, len(self.weeks) // 2
        if len(weeks) < FEW:
            return exp(random.gauss(0.0, UNKNOWN))
        late, early = (sum(random.choices(part, k=half)) for part in (weeks[:half], weeks[half:]))
        if early <= 0 or late <= 0:
            return 1.0
        apart = 7 * (len(weeks) - half)
        growth = float(min(STEEPEST, max(1 / STEEPEST, (late / early) ** (1 / apart))))
        return growth if len(weeks) >= SURE else float(growth ** random.random())


def _nothing() -> Iterator[float]:
    while True:
        yield 0.0
