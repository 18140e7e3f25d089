"""Growing a hold: a streaming job that needs more than was thought."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from credits import services
from credits.models import Reservation
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    NOW,
    Amount,
    allocate,
    amounts,
    archive,
    at,
    grow,
    later,
    make_family,
    make_organization,
    money_of,
    periods_of,
    release,
    reserve,
    settle,
    suspend,
    try_to_grow,
    wallet_of,
)
from usage import services as usage

pytestmark = pytest.mark.django_db(transaction=True)
LONG = timedelta(days=1)


def denied(
    reservation: Reservation, credits: Amount, *, now: datetime = NOW
) -> services.BillingExhausted:
    outcome = try_to_grow(reservation, credits, now=now)
    assert isinstance(outcome, services.BillingExhausted), outcome
    return outcome


class TestGrow:
    def test_names_the_new_total(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        grown = grow(reservation, 8)

        assert grown.credits == 8
        assert money_of(organization) == amounts(10, 8, 2)
        assert [p.reserved for p in periods_of(organization)] == [8]

    @pytest.mark.parametrize("credits", [0, 2, 3])
    def test_to_no_more_than_it_has_changes_nothing(self, credits: int) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        assert grow(reservation, credits).credits == 3

        assert money_of(organization) == amounts(10, 3, 7)

    def test_takes_all_that_is_available(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        assert grow(reservation, 10).credits == 10

    def test_denied_by_the_pool_leaves_the_hold_as_it_was(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        denial = denied(reservation, "10.000001")

        assert denial.reason == "balance"
        assert denial.affordable_credits == 7
        reservation.refresh_from_db()
        assert reservation.status == Reservation.Status.OPEN
        assert reservation.credits == 3
        assert money_of(organization) == amounts(10, 3, 7)

    def test_lands_on_the_cap_and_does_not_cross_it(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reservation = reserve(organization, 3)

        assert denied(reservation, "10.000001").reason == "cap"
        assert grow(reservation, 10).credits == 10

    def test_leaves_the_time_to_live_alone(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        grown = grow(reservation, 8, now=later(minutes=10))

        assert grown.expires_at == reservation.expires_at

    def test_explains_the_latest_decision(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        grow(reservation, 8)

        reservation.refresh_from_db()
        pool = reservation.limits[1]
        assert (pool["reserved"], pool["remaining"]) == ("8.000000", "2.000000")

    @pytest.mark.parametrize(
        ("end", "state"),
        [(lambda r: settle(r, 1), "settled"), (release, "released")],
        ids=["settled", "released"],
    )
    def test_is_refused_once_the_hold_is_closed(
        self, end: Callable[[Reservation], object], state: str
    ) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        end(reservation)

        with pytest.raises(services.ReservationClosed, match=state):
            grow(reservation, 8)

    def test_is_refused_from_the_moment_of_expiry(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)

        grow(reservation, 4, now=later(minutes=15, microseconds=-1))
        with pytest.raises(services.ReservationClosed, match="expired"):
            grow(reservation, 8, now=later(minutes=15))

    def test_is_refused_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        suspend(organization)

        with pytest.raises(OrganizationSuspended):
            grow(reservation, 8)

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        archive(organization)

        with pytest.raises(OrganizationArchived):
            grow(reservation, 8)

    def test_does_not_find_the_hold_of_another_organization(self) -> None:
        stranger = make_organization(funded=10)
        reservation = reserve(make_organization(funded=10), 3)

        with pytest.raises(Reservation.DoesNotExist):
            usage.grow(
                organization=stranger,
                reservation_id=reservation.id,
                credits=reservation.credits + 1,
                now=NOW,
            )

    def test_refills_from_the_parent(self) -> None:
        parent, child = make_family(funded=100, refill_threshold=5, refill_amount=20)
        allocate(child, 10)
        reservation = reserve(child, 5)

        grow(reservation, 12)

        assert money_of(child) == amounts(30, 12, 18)
        assert money_of(parent) == amounts(70, 0, 70)


class TestInAnEarlierPeriod:
    def test_is_counted_where_the_hold_was_opened(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reservation = reserve(organization, 3, now=at("2026-05-31 23:00"), ttl=LONG)

        grow(reservation, 8, now=at("2026-06-01 00:30"))

        assert [p.reserved for p in periods_of(organization)] == [8, 0]
        assert wallet_of(organization).reserved == 8

    def test_obeys_the_cap_of_that_period(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reservation = reserve(organization, 3, now=at("2026-05-31 23:00"), ttl=LONG)
        reserve(organization, 7, now=at("2026-05-31 23:00"), ttl=LONG)

        denial = denied(reservation, 4, now=at("2026-06-01 00:30"))

        assert denial.reason == "cap"

    def test_does_not_see_the_cap_of_the_next(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reservation = reserve(organization, 3, now=at("2026-05-31 23:00"), ttl=LONG)
        reserve(organization, 10, now=at("2026-06-01 00:10"))

        assert grow(reservation, 10, now=at("2026-06-01 00:11")).credits == 10

    def test_sees_what_an_expired_hold_of_that_period_no_longer_counts(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reservation = reserve(organization, 3, now=at("2026-05-31 23:00"), ttl=LONG)
        reserve(organization, 7, now=at("2026-05-31 23:50"))

        grow(reservation, 10, now=at("2026-06-01 00:05"))

        assert [p.reserved for p in periods_of(organization)] == [10, 0]

    def test_keeps_the_counters_right_when_holds_of_that_period_expire_on_the_way(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3, now=at("2026-05-31 23:00"), ttl=LONG)
        reserve(organization, 7, now=at("2026-05-31 23:50"))

        grow(reservation, 9, now=at("2026-06-01 00:05"))

        assert [p.reserved for p in periods_of(organization)] == [9, 0]
        assert money_of(organization) == amounts(10, 9, 1)


class TestChargeLimit:
    def test_is_of_the_new_total(self) -> None:
        organization = make_organization(funded=1_000, charge_limit=100)
        reservation = reserve(organization, 60)

        with pytest.raises(services.ChargeTooLarge):
            try_to_grow(reservation, 101)

        assert money_of(organization) == amounts(1_000, 60, 940)
        assert grow(reservation, 100).credits == 100
