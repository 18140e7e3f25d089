"""Expiring: holds that nobody settled or released give their credits back in time."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from credits.models import Reservation
from tests.factories import (
    amounts,
    at,
    entries_of,
    expire,
    later,
    make_organization,
    money_of,
    periods_of,
    release,
    reserve,
    settle,
    suspend,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestExpire:
    @pytest.mark.parametrize(
        ("moment", "expired"),
        [
            (later(minutes=15, microseconds=-1), 0),
            (later(minutes=15), 1),
            (later(minutes=15, microseconds=1), 1),
        ],
    )
    def test_gives_back_what_is_due_at_its_moment(self, moment: datetime, expired: int) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)

        assert expire(organization, now=moment) == expired

        assert money_of(organization) == (amounts(10, 0, 10) if expired else amounts(10, 8, 2))

    def test_closes_the_hold_and_writes_no_entry(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        before = entries_of(organization)

        expire(organization, now=later(hours=1))

        reservation.refresh_from_db()
        assert (reservation.status, reservation.closed_at) == ("expired", later(hours=1))
        assert (reservation.credits, reservation.settled_credits) == (Decimal(8), None)
        assert entries_of(organization) == before

    def test_takes_all_that_are_due_and_leaves_the_rest(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 1, ttl=timedelta(minutes=1))
        reserve(organization, 2, ttl=timedelta(minutes=2))
        reserve(organization, 4, ttl=timedelta(minutes=3))

        assert expire(organization, now=later(minutes=2)) == 2

        assert money_of(organization) == amounts(10, 4, 6)

    def test_does_nothing_the_second_time(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)
        expire(organization, now=later(minutes=15))

        assert expire(organization, now=later(minutes=16)) == 0

        assert money_of(organization) == amounts(10, 0, 10)

    def test_leaves_closed_holds_as_they_are(self) -> None:
        organization = make_organization(funded=10)
        settled = settle(reserve(organization, 2), 2)
        released = release(reserve(organization, 2))

        assert expire(organization, now=later(days=1)) == 0

        statuses = Reservation.objects.in_bulk([settled.id, released.id])
        assert statuses[settled.id].status == Reservation.Status.SETTLED
        assert statuses[released.id].status == Reservation.Status.RELEASED

    def test_frees_the_counters_of_the_periods_that_held_them(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 1, now=at("2026-05-31 23:50"))
        reserve(organization, 2, now=at("2026-05-31 23:51"))
        reserve(organization, 4, now=at("2026-06-01 00:01"))

        assert expire(organization, now=at("2026-06-01 00:06")) == 2

        assert [p.reserved for p in periods_of(organization)] == [0, 4]

    def test_touches_nobody_else(self) -> None:
        organization, other = make_organization(funded=10), make_organization(funded=10)
        reserve(organization, 8)
        reserve(other, 8)

        expire(organization, now=later(minutes=15))

        assert money_of(other) == amounts(10, 8, 2)

    def test_goes_on_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)
        suspend(organization)

        assert expire(organization, now=later(minutes=15)) == 1
