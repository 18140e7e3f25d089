"""A denial explains itself, and holds whose time has passed never cause one."""

from decimal import Decimal

import pytest

from credits import services
from credits.models import Reservation
from tests.factories import (
    amounts,
    at,
    later,
    make_organization,
    money_of,
    periods_of,
    refused,
    release,
    reserve,
    settle,
)

pytestmark = pytest.mark.django_db(transaction=True)
UP_TO = Reservation.Mode.UP_TO
SMALLEST = Decimal("0.000001")


class TestExplanation:
    def test_of_a_denial_names_every_limit_with_its_numbers(self) -> None:
        organization = make_organization(funded=50, monthly_cap=10)
        settle(reserve(organization, 4), 4)
        reserve(organization, 3)

        cap, pool = refused(organization, 5).limits

        assert (cap.scope, cap.id, cap.reason) == ("organization", organization.public_id, "cap")
        assert (cap.cap, cap.used, cap.reserved, cap.room) == amounts(10, 4, 3, 3)
        assert cap.resets_at == at("2026-06-01")
        assert (pool.scope, pool.reason) == ("pool", "balance")
        assert pool.room == 43

    def test_says_when_an_allowance_will_bring_relief(self) -> None:
        organization = make_organization(allowance=10)
        settle(reserve(organization, 4), 4)

        assert refused(organization, 10).unblocks_at == at("2026-06-01")
        assert refused(organization, 11).unblocks_at is None

    def test_knows_no_relief_where_no_allowance_comes(self) -> None:
        organization = make_organization(funded=10)

        assert refused(organization, 11).unblocks_at is None

    def test_says_what_is_affordable_under_all_limits(self) -> None:
        organization = make_organization(funded=5, monthly_cap=7)

        assert refused(organization, 10).affordable_credits == 5

    def test_names_no_number_of_a_limit_in_its_message(self) -> None:
        organization = make_organization(funded=5)

        message = str(refused(organization, 8))

        assert message == "8 credits are more than is left (balance)"

    def test_stays_with_the_reservation(self) -> None:
        organization = make_organization(funded=50, monthly_cap=10)

        reservation = Reservation.objects.get(id=reserve(organization, 4).id)

        cap, pool = reservation.limits
        assert (cap["cap"], cap["remaining"], cap["binding"]) == ("10.000000", "6.000000", True)
        assert (pool["cap"], pool["remaining"]) == ("50.000000", "46.000000")
        assert pool["binding"] is False


class TestExpiredHolds:
    def test_do_not_stand_in_the_way_of_the_pool(self) -> None:
        organization = make_organization(funded=10)
        abandoned = reserve(organization, 8)

        refused(organization, 8, now=later(minutes=15, microseconds=-1))
        reserve(organization, 8, now=later(minutes=15))

        abandoned.refresh_from_db()
        assert abandoned.status == Reservation.Status.EXPIRED
        assert money_of(organization) == amounts(10, 8, 2)

    def test_do_not_stand_in_the_way_of_the_cap(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reserve(organization, 8)

        refused(organization, 8, now=later(minutes=15, microseconds=-1))
        reserve(organization, 8, now=later(minutes=15))

        assert money_of(organization) == amounts(100, 8, 92)

    def test_of_the_period_before_do_not_stand_in_the_way(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8, now=at("2026-05-31 23:50"))

        reserve(organization, 8, now=at("2026-06-01 00:05"))

        assert [p.reserved for p in periods_of(organization)] == [0, 8]

    def test_are_swept_even_if_the_denial_stands(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 4)

        denial = refused(organization, 11, now=later(minutes=15))

        assert denial.affordable_credits == 10
        assert money_of(organization) == amounts(10, 0, 10)

    def test_make_room_for_the_largest_amount(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 10)

        assert reserve(organization, 99, mode=UP_TO, now=later(minutes=15)).credits == 10

    def test_are_left_to_the_worker_where_there_is_room(self) -> None:
        organization = make_organization(funded=10)
        abandoned = reserve(organization, 4)

        reserve(organization, 4, now=later(minutes=15))

        abandoned.refresh_from_db()
        assert abandoned.status == Reservation.Status.OPEN
        assert abandoned.status_at(later(minutes=15)) == Reservation.Status.EXPIRED

    def test_can_no_longer_be_released(self) -> None:
        organization = make_organization(funded=10)
        abandoned = reserve(organization, 4)

        with pytest.raises(services.ReservationClosed, match="expired"):
            release(abandoned, now=later(minutes=15))
