"""Boundaries that everybody crosses at once: one period, one renewal, and what was spent stays spent."""

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from credits.models import LedgerEntry, Reservation
from organizations.models import Organization
from tests.factories import (
    at,
    entries_of,
    grant,
    make_organization,
    periods_of,
    renew,
    reserve,
    settle,
    spend,
    wallet_of,
)
from tests.races.threads import in_rounds, of, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Kind = LedgerEntry.Kind
JUNE = at("2026-06-01")


def kinds_of(organization: Organization) -> list[str]:
    return [entry.kind for entry in entries_of(organization)]


class TestRenew:
    def test_happens_once_and_keeps_what_is_spent_meanwhile(self) -> None:
        organization = make_organization(funded=50, allowance=100)
        spend(organization, 30)

        outcomes = together(
            *[lambda: renew(organization, now=JUNE)] * 50,
            *[lambda: spend(organization, 3, now=JUNE)] * 10,
        )

        assert not of(Exception, outcomes)
        may, june = periods_of(organization)
        assert may.used == june.used == 30
        assert may.closing_balance == june.opening_balance == 50
        assert kinds_of(organization).count(Kind.RENEW) == 2
        assert kinds_of(organization).count(Kind.LAPSE) == 1
        assert wallet_of(organization).balance == 120
        assert wallet_of(organization).allowance_remaining == 70

    def test_closes_a_hold_of_the_old_period_in_the_old_period(self) -> None:
        organization = make_organization(allowance=100)
        holds = [reserve(organization, 5, now=at("2026-05-31 23:59")) for _ in range(10)]

        together(
            *[lambda: renew(organization, now=JUNE)] * 10,
            *[lambda hold=hold: settle(hold, 4, now=JUNE) for hold in holds],
        )

        may, june = periods_of(organization)
        assert may.used == 40
        assert june.used == 0
        assert kinds_of(organization).count(Kind.RENEW) == 2
        # Charged after the boundary, so paid by the new allowance: the old one had lapsed.
        assert wallet_of(organization).balance == 60

    def test_catches_up_over_fourteen_boundaries_once(self) -> None:
        organization = make_organization(funded=50, allowance=100)
        in_14_months = at("2027-07-15")

        together(*[lambda: renew(organization, now=in_14_months)] * 16)

        periods = periods_of(organization)
        assert [period.index for period in periods] == list(range(15))
        assert kinds_of(organization).count(Kind.RENEW) == 15
        assert wallet_of(organization).balance == 150

    def test_lapses_a_grant_once(self) -> None:
        organization = make_organization()
        grant(organization, 80, expires_at=at("2026-05-20"))

        together(*[lambda: renew(organization, now=at("2026-05-20"))] * 16)

        assert kinds_of(organization) == [Kind.GRANT, Kind.LAPSE]

    def test_belongs_to_the_first_even_if_others_have_older_clocks(self) -> None:
        organization = make_organization(allowance=100)
        clocks = [JUNE + timedelta(seconds=skew) for skew in (-90, -1, 0, 1, 90)]

        rounds = in_rounds(6, *[spender(organization, clock) for clock in clocks])

        assert not [one for row in rounds for one in of(Exception, row)]
        assert len(periods_of(organization)) == 2
        assert kinds_of(organization).count(Kind.RENEW) == 2
        assert sum(period.used for period in periods_of(organization)) == 30
        assert not Reservation.objects.filter(status="open").exists()


def spender(organization: Organization, clock: datetime) -> Callable[[int], Reservation]:
    return lambda _: spend_one(organization, now=clock)


def spend_one(organization: Organization, *, now: datetime) -> Reservation:
    return spend(organization, 1, now=now)


class TestMonths:
    """Anchors that some months do not have: the day comes back when the month has it."""

    @pytest.mark.parametrize("day", [29, 30, 31])
    def test_do_not_drift(self, day: int) -> None:
        created_at = at("2027-01-31 09:00")
        organization = make_organization(
            funded=100, allowance=10, anchored_on=date(2027, 1, day), now=created_at
        )

        for number in range(1, 26):
            moment = created_at + timedelta(days=30.5 * number)
            act = spend_one if number % 3 else renew
            act(organization, now=moment)

        periods = periods_of(organization)
        assert [period.starts_at for period in periods] == [
            midnight(2027, 1 + number, day) for number in range(26)
        ]
        assert kinds_of(organization).count(Kind.RENEW) == 26

    def test_of_a_leap_day_return_to_it_every_four_years(self) -> None:
        organization = make_organization(
            allowance=10, term="year", anchored_on=date(2028, 2, 29), now=at("2028-02-29")
        )

        renew(organization, now=at("2033-03-01"))

        starts = sorted({period.term_starts_at.date() for period in periods_of(organization)})
        assert kinds_of(organization).count(Kind.RENEW) == 6
        assert starts == [
            date(2028, 2, 29),
            date(2029, 2, 28),
            date(2030, 2, 28),
            date(2031, 2, 28),
            date(2032, 2, 29),
            date(2033, 2, 28),
        ]


def midnight(year: int, month: int, day: int) -> datetime:
    """Return the day of a month counted on from January of the year, or the last day it has."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return datetime(year, month, min(day, monthrange(year, month)[1]), tzinfo=UTC)
