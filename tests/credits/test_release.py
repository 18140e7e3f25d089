"""Releasing a hold: the work did not happen."""

import pytest

from credits import services
from credits.models import Reservation
from tests.factories import (
    NOW,
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


class TestRelease:
    def test_gives_the_hold_back_and_writes_no_entry(self) -> None:
        organization = make_organization(funded=10)
        before = entries_of(organization)

        released = release(reserve(organization, 8), now=later(minutes=1))

        assert (released.status, released.closed_at) == ("released", later(minutes=1))
        assert money_of(organization) == amounts(10, 0, 10)
        assert entries_of(organization) == before

    def test_frees_the_counter_of_the_period_that_held_it(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8, now=at("2026-05-31 23:55"))
        reserve(organization, 2, now=at("2026-06-01"))

        release(reservation, now=at("2026-06-01 00:05"))

        assert [(p.used, p.reserved) for p in periods_of(organization)] == [
            amounts(0, 0),
            amounts(0, 2),
        ]

    def test_leaves_other_holds_alone(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 2)

        release(reserve(organization, 8))

        assert money_of(organization) == amounts(10, 2, 8)

    def test_a_repeat_returns_the_first_result(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        first = release(reservation)

        repeated = release(reservation, now=later(days=3))

        assert (repeated.status, repeated.closed_at) == ("released", first.closed_at)
        assert money_of(organization) == amounts(10, 0, 10)

    def test_is_refused_after_settle(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        settle(reservation, 5)

        with pytest.raises(services.ReservationClosed, match="settled"):
            release(reservation)

        assert money_of(organization) == amounts(5, 0, 5)

    def test_is_refused_after_the_sweep(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        expire(organization, now=later(minutes=15))

        with pytest.raises(services.ReservationClosed, match="expired"):
            release(reservation, now=later(minutes=15))

    def test_is_possible_until_the_last_microsecond(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)

        with pytest.raises(services.ReservationClosed, match="expired"):
            release(reservation, now=later(minutes=15))
        released = release(reservation, now=later(minutes=15, microseconds=-1))

        assert released.status == Reservation.Status.RELEASED

    def test_is_possible_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        suspend(organization)

        release(reservation)

        assert money_of(organization) == amounts(10, 0, 10)

    def test_does_not_find_the_hold_of_another_organization(self) -> None:
        stranger = make_organization(funded=10)
        reservation = reserve(make_organization(funded=10), 3)

        with pytest.raises(Reservation.DoesNotExist):
            services.release(organization=stranger, reservation_id=reservation.id, now=NOW)
