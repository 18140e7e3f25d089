"""For whom a forecast is worth making: whoever could be without credits, or at their cap, in the days ahead. Pure.

A forecast reads a wallet and leads it along a hundred courses, so it is not made for everybody every few minutes. It is left out where it
could only say no, and that is found in two steps, each of which errs on the side of making it:

1. By figures that are read of many at once. Use is taken for twice that of the heaviest week and for the steepest growth that is believed. All
   that lapses is gone, nothing that is to come comes but the allowance of a whole term, and each hold is used whole. Half of the courses
   would have to use more than that: and half of them cannot use more than twice what they use on the average.
2. Of who is left, by the very courses of the forecast (`usage.forecast.may_use`), on which nothing stops the work: where less than half
   of them use what is left at the least, the forecast does not say that it is used up.
"""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from usage.flows import NEARLY_NOTHING
from usage.forecast import GROWTH_LASTS, STEEPEST, Mark, is_enough, may_use

MANY_TIMES = 2
WEEK = 7


class Filling(NamedTuple):
    """The rule by which a parent fills a wallet up, and what the parent has for it. Cooldowns are in days."""

    amount: float
    cooldown: float
    ready: float
    """When the last cooldown is over."""
    parent: "Facts"


class Facts(NamedTuple):
    """What is read of an organization: in credits, and in days from now."""

    days: int
    """How far ahead is looked."""
    heaviest: float = 0
    """What it used in the heaviest of the last eight weeks."""
    left: float = inf
    """What work may still use: what no hold needs, and the overdraft."""
    spare: float = 0
    """What of it may leave for a child: no allowance, no overdraft."""
    lapses: float = 0
    """What ends within those days,"""
    lapses_with_term: float = 0
    """and of it with the term."""
    term_ends: float = inf
    brings: float = 0
    """What the next term brings at the least."""
    sends: float = 0
    """What leaves in a day by refills of children."""
    cap_left: float = inf
    """What is neither used nor held of the cap."""
    cap_resets: float = inf
    filling: Filling | None = None


def may_run_dry(facts: Facts, past: Sequence[float] | None = None, *, day_left: float) -> bool:
    """Whether a forecast could say that an organization is without credits in the days ahead.

    :param past: what it used on each whole day, if the caller has it: then it is asked more closely
    """
    marks = _marks_of_pool(facts)
    if not _may_pass(facts, marks, past, day_left):
        return False
    return facts.filling is None or not _is_filled(facts, facts.filling)


def may_be_capped(facts: Facts, past: Sequence[float] | None = None, *, day_left: float) -> bool:
    """Whether a forecast could say that an organization reaches its cap in the days ahead, before it resets."""
    if facts.cap_left == inf:
        return False
    mark = Mark(min(facts.days, facts.cap_resets), facts.cap_left)
    return _may_pass(facts, [mark], past, day_left)


def _marks_of_pool(facts: Facts) -> list[Mark]:
    """Return how much work has to use, by when: before the term ends, and after the next has begun."""
    first, days = max(0.0, min(facts.days, facts.term_ends)), facts.days
    gone = facts.lapses - facts.lapses_with_term + facts.sends * first
    marks = [Mark(first, facts.left - gone)]
    if first < days:
        left = facts.left - facts.lapses + facts.brings
        marks.append(Mark(days, left - facts.sends * days))
    return marks


def _may_pass(
    facts: Facts, marks: Sequence[Mark], past: Sequence[float] | None, day_left: float
) -> bool:
    near = [mark for mark in marks if mark.amount <= NEARLY_NOTHING + _most(facts, mark.days)]
    if not near or past is None:
        return bool(near)
    if not is_enough(past):  # of such a past it is said only that nothing is left now
        return any(mark.amount <= NEARLY_NOTHING for mark in near)
    return may_use(past, near, day_left=day_left)


def _most(facts: Facts, days: float) -> float:
    """Return what half of the courses use at the most. All of a week may be used on one day."""
    growth = STEEPEST ** min(days, GROWTH_LASTS)
    return float(facts.heaviest * max(1.0, days / WEEK) * MANY_TIMES * growth)


def _is_filled(facts: Facts, filling: Filling) -> bool:
    """Whether a parent certainly fills a wallet up whenever it has to."""
    parent, need = filling.parent, _most(facts, facts.days) + filling.amount
    has = parent.spare - parent.lapses - _most(parent, facts.days) - parent.sends * facts.days
    is_often = filling.amount >= filling.cooldown * _most(facts, 1)
    is_over = filling.ready <= 0 or facts.left - facts.lapses > _most(facts, filling.ready)
    return has >= need and is_often and is_over
