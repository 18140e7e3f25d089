"""Renewing by the year, and from an anchor that moves: no period is skipped, none drifts."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pytest

from credits import periods
from tests.factories import (
    at,
    entries_of,
    lines_of,
    make_organization,
    periods_of,
    renew,
    set_terms,
    spans_of,
    spend,
)

pytestmark = pytest.mark.django_db(transaction=True)
MICROSECOND = timedelta(microseconds=1)


class TestYear:
    YEARLY: dict[str, Any] = {"term": "year", "allowance": 1_200, "anchored_on": date(2026, 5, 10)}

    def test_has_twelve_periods_and_one_allowance(self) -> None:
        organization = make_organization(**self.YEARLY)

        renew(organization, now=at("2027-05-10") - MICROSECOND)

        assert len(periods_of(organization)) == 12
        assert lines_of(organization) == [("renew", 1_200, 0)]
        assert {(p.term_starts_at, p.term_ends_at) for p in periods_of(organization)} == {
            (at("2026-05-10"), at("2027-05-10"))
        }

    def test_renews_on_its_anniversary(self) -> None:
        organization = make_organization(**self.YEARLY)
        spend(organization, 500)

        renew(organization, now=at("2027-05-10"))

        assert lines_of(organization)[1:] == [
            ("settle", -500, 0),
            ("lapse", -700, 11),
            ("renew", 1_200, 12),
        ]

    def test_resets_the_cap_every_month(self) -> None:
        organization = make_organization(**self.YEARLY, monthly_cap=100)

        for month in ("2026-05-10 12:00", "2026-06-10", "2026-07-10"):
            spend(organization, 100, now=at(month))

        assert [p.used for p in periods_of(organization)] == [100, 100, 100]

    def test_anchored_on_a_leap_day_returns_to_it(self) -> None:
        organization = make_organization(
            term="year", allowance=10, anchored_on=date(2024, 2, 29), now=at("2024-02-29")
        )

        renew(organization, now=at("2028-03-01"))

        terms = sorted({period.term_starts_at for period in periods_of(organization)})
        assert terms == [
            at("2024-02-29"),
            at("2025-02-28"),
            at("2026-02-28"),
            at("2027-02-28"),
            at("2028-02-29"),
        ]

    def test_begins_at_the_next_boundary_when_a_monthly_customer_changes(self) -> None:
        organization = make_organization(allowance=100)
        set_terms(organization, term="year", allowance=1_200, anchored_on=date(2026, 6, 1))

        renew(organization, now=at("2026-08-01"))

        assert lines_of(organization) == [
            ("renew", 100, 0),
            ("lapse", -100, 0),
            ("renew", 1_200, 1),
        ]
        assert periods_of(organization)[-1].term_ends_at == at("2027-06-01")

    def test_runs_to_its_end_when_a_yearly_customer_changes(self) -> None:
        organization = make_organization(**self.YEARLY)
        set_terms(organization, term="month", allowance=100)

        renew(organization, now=at("2027-06-10"))

        assert lines_of(organization)[1:] == [
            ("lapse", -1_200, 11),
            ("renew", 100, 12),
            ("lapse", -100, 12),
            ("renew", 100, 13),
        ]


class TestAnchor:
    @pytest.mark.parametrize("day", [1, 15, 28, 29, 30, 31])
    def test_never_drifts_in_the_stored_rows(self, day: int) -> None:
        organization = make_organization(
            anchored_on=date(2027, 1, day), now=at(f"2027-01-{day:02}")
        )

        renew(organization, now=at("2028-04-30"))

        stored = spans_of(organization)
        assert stored == list(
            islice(periods.periods_from(at(f"2027-01-{day:02}"), day), len(stored))
        )
        assert stored[-1][0] <= at("2028-04-30") < stored[-1][1]

    @pytest.mark.parametrize(
        ("anchored_on", "short"),
        [
            (date(2026, 5, 20), ("2026-06-01", "2026-06-20")),
            (date(2026, 1, 31), ("2026-06-01", "2026-06-30")),
            (date(2026, 6, 2), ("2026-06-01", "2026-06-02")),
        ],
    )
    def test_moves_from_the_next_boundary_with_one_short_period(
        self, anchored_on: date, short: tuple[str, str]
    ) -> None:
        organization = make_organization()
        set_terms(organization, anchored_on=anchored_on)

        renew(organization, now=at("2026-09-15"))

        spans = spans_of(organization)
        assert spans[0] == (at("2026-05-01"), at("2026-06-01"))
        assert spans[1] == (at(short[0]), at(short[1]))
        assert all(before[1] == after[0] for before, after in pairwise(spans))
        following = periods.periods_from(spans[1][1], anchored_on.day)
        assert spans[2:] == list(islice(following, len(spans) - 2))

    def test_that_moved_brings_its_part_of_the_allowance_with_the_short_term(self) -> None:
        organization = make_organization(allowance=100)
        set_terms(organization, anchored_on=date(2026, 6, 20))

        renew(organization, now=at("2026-06-20"))

        assert lines_of(organization) == [
            ("renew", 100, 0),
            ("lapse", -100, 0),
            ("renew", 61, 1),
            ("lapse", -61, 1),
            ("renew", 100, 2),
        ]
        assert entries_of(organization)[2].amount == Decimal("61.290322")  # 19 of 31 days

    def test_that_moved_within_a_year_does_not_move_the_end_of_the_year(self) -> None:
        organization = make_organization(
            term="year", allowance=1_200, anchored_on=date(2026, 5, 10)
        )
        set_terms(organization, anchored_on=date(2026, 5, 25))

        renew(organization, now=at("2027-05-25"))

        spans = spans_of(organization)
        assert spans[:2] == [
            (at("2026-05-10"), at("2026-06-10")),
            (at("2026-06-10"), at("2026-06-25")),
        ]
        # The paid year ends on its own day; a short one leads to the new anniversary.
        assert spans[-3:] == [
            (at("2027-04-25"), at("2027-05-10")),
            (at("2027-05-10"), at("2027-05-25")),
            (at("2027-05-25"), at("2027-06-25")),
        ]
        kinds = [(kind, amount) for kind, amount, _ in lines_of(organization)]
        short = 49  # 15 of 365 days
        assert kinds == [
            ("renew", 1_200),
            *[("lapse", -1_200), ("renew", short)],
            *[("lapse", -short), ("renew", 1_200)],
        ]
