"""Renewing late, after many boundaries at once, and by a clock that runs behind."""

from datetime import timedelta
from itertools import islice, pairwise
from typing import Any

import pytest

from credits import periods
from tests.factories import (
    allocate,
    amounts,
    at,
    entries_of,
    grant,
    lines_of,
    make_family,
    make_organization,
    money_of,
    periods_of,
    renew,
    reserve,
    set_terms,
    settle,
    spans_of,
    spend,
)

pytestmark = pytest.mark.django_db(transaction=True)
JUNE = at("2026-06-01")
Line = tuple[str, int, int]
"""An entry: its kind, its amount, and the index of the period whose statement it is on."""


class TestCatchingUp:
    def test_posts_fourteen_boundaries_in_order_each_with_its_own_rows(self) -> None:
        organization = make_organization(funded=1_000, allowance=100)
        spend(organization, 40)

        renew(organization, now=at("2027-07-15"))

        assert spans_of(organization) == list(islice(periods.periods_from(at("2026-05-01"), 1), 15))
        expected: list[Line] = [("renew", 100, 0), ("grant", 1_000, 0), ("settle", -40, 0)]
        expected += [("lapse", -60, 0), ("renew", 100, 1)]
        for index in range(1, 14):
            expected += [("lapse", -100, index), ("renew", 100, index + 1)]
        assert lines_of(organization) == expected

    def test_leaves_every_statement_closed_and_adding_up(self) -> None:
        organization = make_organization(funded=1_000, allowance=100)
        spend(organization, 40)

        renew(organization, now=at("2027-07-15"))

        *closed, current = periods_of(organization)
        assert [p.closed_at for p in closed] == [at("2027-07-15")] * 14
        for period, following in pairwise([*closed, current]):
            posted = sum(entry.amount for entry in period.entries.all())
            assert period.opening_balance + posted == period.closing_balance
            assert period.closing_balance == following.opening_balance
        assert current.closed_at is None

    def test_puts_a_lapse_on_the_statement_of_the_period_in_which_it_fell(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=at("2026-07-20"))
        grant(organization, 20, expires_at=at("2026-08-01"))
        grant(organization, 40, expires_at=at("2026-08-01 00:00:00.000001"))

        renew(organization, now=at("2026-10-05"))

        assert lines_of(organization)[3:] == [("lapse", -30, 2), ("lapse", -40, 3)]

    def test_comes_to_the_same_as_renewing_in_time(self) -> None:
        late = make_organization(funded=500, allowance=100, rollover_limit=30)
        punctual = make_organization(funded=500, allowance=100, rollover_limit=30)
        for organization in (late, punctual):
            grant(organization, 70, expires_at=at("2026-08-17"))
            spend(organization, 45)

        for month in range(6, 13):
            renew(punctual, now=at(f"2026-{month:02}-01"))
        renew(late, now=at("2026-12-01"))

        assert lines_of(late) == lines_of(punctual)
        assert money_of(late) == money_of(punctual)

    @pytest.mark.parametrize("verb", [grant, spend])
    def test_is_done_by_the_first_command_whatever_it_is(self, verb: Any) -> None:
        organization = make_organization(funded=10, allowance=100)

        verb(organization, 1, now=at("2026-07-05"))

        entry = entries_of(organization)[-1]
        assert (entry.period.index, entry.number) == (2, 7)

    def test_reaches_the_parent_of_a_transfer_too(self) -> None:
        parent, child = make_family(funded=100)
        set_terms(parent, allowance=50)

        allocate(child, 10, now=JUNE)

        assert lines_of(parent)[-2:] == [("renew", 50, 1), ("allocate", -10, 1)]


class TestAClockThatRunsBehind:
    """A second server, 90 seconds late: its command finds what the first one posted."""

    def test_works_in_the_period_that_is_open(self) -> None:
        organization = make_organization(funded=10, allowance=100)
        renew(organization, now=JUNE)

        settle(reserve(organization, 5, now=JUNE - timedelta(seconds=90)), 5, now=JUNE)

        assert lines_of(organization)[-1] == ("settle", -5, 1)
        assert [p.used for p in periods_of(organization)] == [0, 5]

    def test_brings_nothing_back_that_lapsed(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=JUNE)
        renew(organization, now=JUNE)

        renew(organization, now=JUNE - timedelta(seconds=90))

        assert money_of(organization) == amounts(0, 0, 0)
        assert len(periods_of(organization)) == 2
