"""A forecast is a range that holds the truth, and is narrow enough to be of use."""

from random import Random
from statistics import median

import pytest

from usage.forecast import AHEAD, LEAST, MOST, Span, days_until

SHAPE = (1.2, 1.3, 1.2, 1.1, 1.0, 0.3, 0.2)
KINDS = ("steady", "weekly", "growing", "bursty")


def series(kind: str, random: Random) -> list[float]:
    """Return what an organization of a kind used on each of many days."""
    level = random.uniform(10, 1_000)
    days = []
    for day in range(MOST + AHEAD):
        used = level * random.uniform(0.7, 1.3)
        if kind == "weekly":
            used *= SHAPE[day % 7]
        if kind == "growing":
            used *= 1.01**day
        if kind == "bursty" and random.random() < 0.1:
            used *= 5
        days.append(used)
    return days


def foretold() -> list[tuple[int, Span]]:
    """Return for a hundred organizations on which day it was over, and what was foretold of it."""
    random = Random(7)
    found = []
    for number in range(100):
        used = series(KINDS[number % 4], random)
        truth = random.randrange(5, 45)
        span = days_until(sum(used[MOST : MOST + truth]) + used[MOST + truth] / 2, used[:MOST])
        assert span is not None
        found.append((truth, span))
    return found


class TestDaysUntil:
    def test_holds_the_truth_for_85_of_100_organizations_and_is_narrow(self) -> None:
        spans = [
            (
                truth,
                AHEAD if span.first is None else span.first,
                AHEAD if span.last is None else span.last,
            )
            for truth, span in foretold()
        ]

        assert sum(first <= truth <= last for truth, first, last in spans) >= 85
        assert median((last - first) / truth for truth, first, last in spans) <= 0.5

    def test_says_the_same_of_the_same_past(self) -> None:
        past = series("bursty", Random(1))[:MOST]

        assert days_until(5_000, past) == days_until(5_000, past)

    @pytest.mark.parametrize(
        ("amount", "span"),
        [(5, Span(0, 0)), (95, Span(9, 9)), (0, Span(0, 0)), (10_000, Span(None, None))],
    )
    def test_is_a_day_where_every_day_is_alike(self, amount: float, span: Span) -> None:
        assert days_until(amount, [10.0] * MOST) == span

    def test_knows_the_weekdays(self) -> None:
        past = [10.0] * 5 + [0.0] * 2

        assert days_until(45, past * 8) == Span(4, 4)
        assert days_until(55, past * 8) == Span(7, 7)

    def test_never_ends_where_nothing_is_used(self) -> None:
        assert days_until(1, [0.0] * MOST) == Span(None, None)

    def test_says_nothing_of_a_past_that_is_too_short(self) -> None:
        assert days_until(10, [1.0] * (LEAST - 1)) is None
