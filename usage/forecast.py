"""In how many days credits are used up, as a range: from the use of past days, with its weekly shape and its growth. Pure.

Many courses of what is to come are drawn from the days that were, each from days of the same weekday, and from one seed: the same past
gives the same range. These are estimates, so they are reckoned in floats; no credit is ever booked by them.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

LEAST = 28
"""So many whole days must be behind us: four of each weekday."""
MOST = 56
AHEAD = 90
"""Beyond so many days nothing is said."""
COURSES = 200
LEFT_OUT = 4
"""So many courses at each end are not in the range."""
GROWTH_LASTS = 28
"""For so many days growth is carried on; then use stays where it got to."""
STEEPEST = 1.03
"""The growth of a day that is believed at most, up or down."""


class Span(NamedTuple):
    """Between which days something happens, counted from today, which is 0; None is later than `AHEAD` days."""

    first: int | None
    last: int | None


def days_until(amount: float, past: Sequence[float]) -> Span | None:
    """Return when an amount is used up in 96 courses of a hundred; None where the past is too short to say.

    :param amount: credits
    :param past: what was used on each whole day, the oldest first, the last one yesterday; the last `MOST` count
    """
    past = past[-MOST:]
    if len(past) < LEAST:
        return None
    random = Random(len(past))
    ends = sorted(_course(amount, past, random) for _ in range(COURSES))
    first, last = ends[LEFT_OUT], ends[-LEFT_OUT - 1]
    return Span(*(None if day > AHEAD else day for day in (first, last)))


def _course(amount: float, past: Sequence[float], random: Random) -> int:
    """Return on which day one course has used up the amount; a day beyond `AHEAD` if it has not."""
    growth = _growth(past, random)
    left = amount
    for day in range(AHEAD + 1):
        back = random.choice(range(7 - day % 7, len(past) + 1, 7))
        left -= past[-back] * growth ** (back + min(day, GROWTH_LASTS))
        if left <= 0:
            return day
    return AHEAD + 1


def _growth(past: Sequence[float], random: Random) -> float:
    """Return by how much use grows a day, as two halves of the past say it whose weeks are drawn anew."""
    weeks = [sum(past[len(past) - 7 * (back + 1) :][:7]) for back in range(len(past) // 7)]
    half = len(weeks) // 2
    late, early = (sum(random.choices(part, k=half)) for part in (weeks[:half], weeks[half:]))
    if early <= 0 or late <= 0:
        return 1.0
    apart = 7 * (len(weeks) - half)
    return float(min(STEEPEST, max(1 / STEEPEST, (late / early) ** (1 / apart))))
