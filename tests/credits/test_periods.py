"""Billing-period arithmetic: months and years that never drift, told in tables."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pytest

from credits import periods
from tests.factories import at

MICROSECOND = timedelta(microseconds=1)


def last_day_of(year: int, month: int) -> int:
    """Found another way than the code does: the day before the first of the next month."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day


BOUNDARIES_OF_A_YEAR = {
    # anchor: the days on which the periods of 2027 and of 2028, a leap year, begin
    1: ([1] * 12, [1] * 12),
    15: ([15] * 12, [15] * 12),
    28: ([28] * 12, [28] * 12),
    29: (
        [29, 28, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29],
        [29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29],
    ),
    30: (
        [30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
        [30, 29, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
    ),
    31: (
        [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
        [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
    ),
}


class TestPeriodsFrom:
    @pytest.mark.parametrize("anchor_day", BOUNDARIES_OF_A_YEAR)
    def test_begin_on_the_anchor_or_on_the_last_day_of_a_shorter_month(
        self, anchor_day: int
    ) -> None:
        common_year, leap_year = BOUNDARIES_OF_A_YEAR[anchor_day]
        days = [(2027, *pair) for pair in enumerate(common_year, start=1)]
        days += [(2028, *pair) for pair in enumerate(leap_year, start=1)]

        begun = list(islice(periods.periods_from(datetime(*days[0], tzinfo=UTC), anchor_day), 24))

        assert [period.starts_at for period in begun] == [
            datetime(*day, tzinfo=UTC) for day in days
        ]

    def test_have_no_gap_no_overlap_and_no_drift_in_a_century(self) -> None:
        count = 0
        for anchor_day in range(1, 32):
            first = datetime(2000, 1, anchor_day, tzinfo=UTC)

            century = list(islice(periods.periods_from(first, anchor_day), 1_200))

            assert all(before.ends_at == after.starts_at for before, after in pairwise(century))
            assert century[-1].ends_at == datetime(2100, 1, anchor_day, tzinfo=UTC)
            for month, period in enumerate(century):
                starts_at = period.starts_at
                assert (starts_at.year, starts_at.month) == (2000 + month // 12, month % 12 + 1)
                last_day = last_day_of(starts_at.year, starts_at.month)
                assert starts_at.day == min(anchor_day, last_day)
                assert starts_at < period.ends_at
                count += 1
        assert count == 37_200

    def test_are_those_that_contain_their_moments_in_a_century(self) -> None:
        for anchor_day in range(1, 32):
            anchored_on = date(2000, 1, anchor_day)
            first = datetime(2000, 1, anchor_day, tzinfo=UTC)
            for period in islice(periods.periods_from(first, anchor_day), 1_200):
                last_moment = period.ends_at - MICROSECOND

                assert periods.period_containing(period.starts_at, anchored_on) == period
                assert periods.period_containing(last_moment, anchored_on) == period


class TestPeriodContaining:
    @pytest.mark.parametrize(
        ("moment", "anchor", "starts_at", "ends_at"),
        [
            ("2026-05-10 12:00", 1, "2026-05-01", "2026-06-01"),
            ("2026-05-10 12:00", 10, "2026-05-10", "2026-06-10"),
            ("2026-05-10 00:00", 10, "2026-05-10", "2026-06-10"),
            ("2026-05-09 23:59:59.999999", 10, "2026-04-10", "2026-05-10"),
            ("2026-05-10 00:00:00.000001", 10, "2026-05-10", "2026-06-10"),
            ("2026-02-28 00:00", 31, "2026-02-28", "2026-03-31"),
            ("2026-02-27 23:59:59.999999", 31, "2026-01-31", "2026-02-28"),
            ("2028-02-28 23:59:59.999999", 30, "2028-01-30", "2028-02-29"),
            ("2028-02-29 00:00", 30, "2028-02-29", "2028-03-30"),
            ("2026-03-30 23:59:59.999999", 31, "2026-02-28", "2026-03-31"),
            ("2026-12-31 00:00", 31, "2026-12-31", "2027-01-31"),
            ("2027-01-01 00:00", 1, "2027-01-01", "2027-02-01"),
            ("2026-12-31 23:59:59.999999", 1, "2026-12-01", "2027-01-01"),
            ("2027-01-14 00:00", 15, "2026-12-15", "2027-01-15"),
        ],
    )
    def test_begins_at_its_first_moment_and_ends_before_its_last(
        self, moment: str, anchor: int, starts_at: str, ends_at: str
    ) -> None:
        period = periods.period_containing(at(moment), date(2026, 1, anchor))

        assert period == (at(starts_at), at(ends_at))

    def test_is_decided_in_utc_whatever_zone_the_moment_is_written_in(self) -> None:
        tokyo = timezone(timedelta(hours=9))
        moment = datetime(2026, 5, 1, 8, 59, tzinfo=tokyo)

        period = periods.period_containing(moment, date(2026, 1, 1))

        assert period == (at("2026-04-01"), at("2026-05-01"))


class TestMonthOf:
    @pytest.mark.parametrize(
        ("moment", "starts_at", "ends_at"),
        [
            ("2026-05-01", "2026-05-01", "2026-06-01"),
            ("2026-05-31 23:59:59.999999", "2026-05-01", "2026-06-01"),
            ("2026-12-31 23:59:59.999999", "2026-12-01", "2027-01-01"),
            ("2028-02-29 12:00", "2028-02-01", "2028-03-01"),
        ],
    )
    def test_is_the_calendar_month(self, moment: str, starts_at: str, ends_at: str) -> None:
        assert periods.month_of(at(moment)) == (at(starts_at), at(ends_at))

    def test_is_decided_in_utc_whatever_zone_the_moment_is_written_in(self) -> None:
        moment = datetime(2026, 5, 31, 20, 0, tzinfo=timezone(timedelta(hours=-5)))

        assert periods.month_of(moment) == (at("2026-06-01"), at("2026-07-01"))


class TestTermFrom:
    @pytest.mark.parametrize(
        ("starts_at", "yearly", "anchored_on", "ends_at"),
        [
            ("2026-05-01", False, date(2026, 1, 1), "2026-06-01"),
            ("2026-01-31", False, date(2026, 1, 31), "2026-02-28"),
            ("2026-02-28", False, date(2026, 1, 31), "2026-03-31"),
            ("2026-05-10", True, date(2026, 5, 10), "2027-05-10"),
            ("2024-02-29", True, date(2024, 2, 29), "2025-02-28"),
            ("2027-02-28", True, date(2024, 2, 29), "2028-02-29"),
            # An anchor that was moved makes one short term.
            ("2026-05-01", False, date(2026, 1, 20), "2026-05-20"),
            ("2026-05-01", True, date(2025, 9, 20), "2026-09-20"),
        ],
    )
    def test_ends_at_the_next_boundary_of_its_kind(
        self, starts_at: str, yearly: bool, anchored_on: date, ends_at: str
    ) -> None:
        term = periods.term_from(at(starts_at), yearly=yearly, anchored_on=anchored_on)

        assert term == (at(starts_at), at(ends_at))


class TestAnniversaryAfter:
    @pytest.mark.parametrize(
        ("moment", "anchored_on", "anniversary"),
        [
            ("2026-05-10", date(2026, 5, 10), "2027-05-10"),
            ("2026-05-09 23:59:59.999999", date(2020, 5, 10), "2026-05-10"),
            ("2026-02-28", date(2024, 2, 29), "2027-02-28"),
            ("2028-02-28", date(2024, 2, 29), "2028-02-29"),
            ("2028-02-29", date(2024, 2, 29), "2029-02-28"),
            ("2026-12-31", date(2026, 12, 31), "2027-12-31"),
        ],
    )
    def test_is_strictly_after(self, moment: str, anchored_on: date, anniversary: str) -> None:
        assert periods.anniversary_after(at(moment), anchored_on) == at(anniversary)

    def test_returns_to_the_leap_day_after_a_century(self) -> None:
        moment = at("2000-02-29")
        for _ in range(100):
            moment = periods.anniversary_after(moment, date(2000, 2, 29))

        assert moment == at("2100-02-28")  # 2100 is no leap year
        assert periods.boundary(2104, 2, 29) == at("2104-02-29")


class TestWholeTermUntil:
    @pytest.mark.parametrize(
        ("ends_at", "anchored_on", "starts_at", "days"),
        [
            ("2026-06-01", date(2026, 1, 1), "2026-05-01", 31),
            ("2026-06-20", date(2026, 1, 20), "2026-05-20", 31),
            ("2026-03-01", date(2026, 1, 1), "2026-02-01", 28),
            ("2028-03-01", date(2026, 1, 1), "2028-02-01", 29),
            ("2026-02-28", date(2026, 1, 31), "2026-01-31", 28),
            ("2026-03-31", date(2026, 1, 31), "2026-02-28", 31),
            ("2026-01-15", date(2026, 1, 15), "2025-12-15", 31),
        ],
    )
    def test_is_a_month_back_by_the_month(
        self, ends_at: str, anchored_on: date, starts_at: str, days: int
    ) -> None:
        whole = periods.whole_term_until(at(ends_at), yearly=False, anchored_on=anchored_on)

        assert whole == (at(starts_at), at(ends_at))
        assert periods.days_between(*whole) == days

    @pytest.mark.parametrize(
        ("ends_at", "anchored_on", "starts_at", "days"),
        [
            ("2026-05-27", date(2026, 5, 27), "2025-05-27", 365),
            ("2028-05-27", date(2030, 5, 27), "2027-05-27", 366),
            ("2028-02-29", date(2024, 2, 29), "2027-02-28", 366),
            ("2029-02-28", date(2024, 2, 29), "2028-02-29", 365),
            ("2027-01-01", date(2020, 1, 1), "2026-01-01", 365),
        ],
    )
    def test_is_a_year_back_by_the_year(
        self, ends_at: str, anchored_on: date, starts_at: str, days: int
    ) -> None:
        whole = periods.whole_term_until(at(ends_at), yearly=True, anchored_on=anchored_on)

        assert whole == (at(starts_at), at(ends_at))
        assert periods.days_between(*whole) == days

    def test_is_the_term_itself_where_that_is_whole(self) -> None:
        for anchored_on in (date(2026, 1, day) for day in range(1, 32)):
            for yearly in (False, True):
                terms: Any = {"yearly": yearly, "anchored_on": anchored_on}
                starts_at = at(str(anchored_on))
                for _ in range(40):
                    term = periods.term_from(starts_at, **terms)
                    assert periods.whole_term_until(term.ends_at, **terms) == term
                    starts_at = term.ends_at


class TestDaysBetween:
    @pytest.mark.parametrize(
        ("moment", "days"),
        [
            ("2026-05-01", 31),
            ("2026-05-10 12:00", 22),
            ("2026-05-31", 1),
            ("2026-05-31 23:59:59.999999", 1),
        ],
    )
    def test_counts_the_day_of_the_moment(self, moment: str, days: int) -> None:
        assert periods.days_between(at(moment), at("2026-06-01")) == days

    def test_counts_days_of_utc(self) -> None:
        moment = datetime(2026, 5, 31, 1, tzinfo=timezone(timedelta(hours=2)))

        assert periods.days_between(moment, at("2026-06-01")) == 2


class TestByDays:
    @pytest.mark.parametrize(
        ("amount", "days", "whole_days", "part"),
        [
            ("100", 31, 31, "100"),
            ("100", 22, 31, "70.967741"),
            ("1200", 17, 365, "55.890410"),
            ("0.000001", 30, 31, "0"),
            ("10000000000000", 364, 365, "9972602739726.027397"),
            ("9999999999999.999999", 365, 366, "9972677595628.415299"),
            ("0", 3, 31, "0"),
        ],
    )
    def test_rounds_down_at_six_places(
        self, amount: str, days: int, whole_days: int, part: str
    ) -> None:
        assert periods.by_days(Decimal(amount), days, whole_days) == Decimal(part)
