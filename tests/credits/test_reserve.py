"""Reserving: credits set aside before work, under the cap and the pool."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from credits.models import Reservation
from credits.services import ChargeTooLarge
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    KEY,
    NOW,
    Amount,
    amounts,
    archive,
    at,
    entries_of,
    grant,
    later,
    make_organization,
    make_refilled_family,
    money_of,
    periods_of,
    refused,
    release,
    reserve,
    set_terms,
    settle,
    suspend,
    try_to_reserve,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
UP_TO = Reservation.Mode.UP_TO
SMALLEST = Decimal("0.000001")


class TestReserve:
    def test_sets_credits_aside_and_writes_no_entry(self) -> None:
        organization = make_organization(funded=10)
        before = entries_of(organization)

        reserve(organization, 8)

        assert money_of(organization) == amounts(10, 8, 2)
        assert entries_of(organization) == before

    def test_remembers_what_it_was_for_and_until_when(self) -> None:
        organization = make_organization(funded=10)

        made = reserve(organization, "8.5", ttl=timedelta(seconds=60), metadata={"job": "render"})

        reservation = Reservation.objects.get(id=made.id)
        assert (reservation.status, reservation.credits) == ("open", Decimal("8.5"))
        assert (reservation.created_at, reservation.expires_at) == (NOW, later(seconds=60))
        assert (reservation.metadata, reservation.performed_by) == ({"job": "render"}, KEY)
        assert (reservation.settled_credits, reservation.closed_at) == (None, None)

    def test_lives_fifteen_minutes_unless_said_otherwise(self) -> None:
        organization = make_organization(funded=10)

        assert reserve(organization, 1).expires_at == later(minutes=15)

    def test_is_counted_in_the_open_period(self) -> None:
        organization = make_organization(funded=10)

        reservation = reserve(organization, 8)

        period = wallet_of(organization).period
        assert reservation.period == period
        assert period is not None
        assert (period.used, period.reserved) == amounts(0, 8)

    def test_takes_all_that_is_available(self) -> None:
        organization = make_organization(funded=10)

        reserve(organization, 10)

        assert money_of(organization) == amounts(10, 10, 0)

    def test_refuses_a_millionth_more_than_is_available(self) -> None:
        organization = make_organization(funded=10)

        denial = refused(organization, "10.000001")

        assert denial.reason == "balance"
        assert money_of(organization) == amounts(10, 0, 10)
        assert not Reservation.objects.exists()

    def test_never_counts_one_credit_twice(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 6)

        denial = refused(organization, 6)

        assert denial.affordable_credits == 4
        assert money_of(organization) == amounts(10, 6, 4)

    def test_may_hold_nothing(self) -> None:
        organization = make_organization(funded=10)

        reservation = reserve(organization, 0)

        assert reservation.credits == 0
        assert money_of(organization) == amounts(10, 0, 10)

    def test_finds_the_allowance_of_a_new_term(self) -> None:
        organization = make_organization(allowance=10)
        settle(reserve(organization, 10), 10)

        reserve(organization, 10, now=at("2026-06-01"))

        assert money_of(organization) == amounts(10, 10, 0)

    def test_finds_nothing_of_a_grant_that_ends_at_this_moment(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=later(days=1))

        reserve(organization, 1, now=later(days=1, microseconds=-1))
        denial = refused(organization, 1, now=later(days=1))

        assert denial.reason == "balance"
        # The denial is an outcome, not an accident: what was due stays posted.
        assert wallet_of(organization).balance == 0

    def test_is_refused_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        suspend(organization)

        with pytest.raises(OrganizationSuspended):
            reserve(organization, 1)

        assert money_of(organization) == amounts(10, 0, 10)

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization(funded=10)
        archive(organization)

        with pytest.raises(OrganizationArchived):
            reserve(organization, 1)


class TestCap:
    def test_may_be_landed_on(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        settle(reserve(organization, 4), 4)
        reserve(organization, 3)

        reserve(organization, 3)

        assert money_of(organization) == amounts(96, 6, 90)

    def test_may_not_be_crossed(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        settle(reserve(organization, 4), 4)
        reserve(organization, 3)

        denial = refused(organization, "3.000001")

        assert denial.reason == "cap"
        assert denial.affordable_credits == 3
        assert denial.unblocks_at == later(minutes=15)
        assert money_of(organization) == amounts(96, 3, 93)

    @pytest.mark.parametrize("credits", [0, "0.000001", 5])
    @pytest.mark.parametrize("mode", ["exact", "up_to"])
    def test_of_zero_is_a_hard_stop(self, credits: Amount, mode: str) -> None:
        organization = make_organization(funded=100, monthly_cap=0, overdraft_limit=None)

        assert refused(organization, credits, mode=mode).reason == "cap"

    def test_of_null_is_no_limit(self) -> None:
        organization = make_organization(charge_limit=None, funded=10**13, monthly_cap=None)

        reserve(organization, 10**13)

        assert wallet_of(organization).available == 0

    def test_counts_what_was_charged_not_what_was_held(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        settle(reserve(organization, 10), 4)
        release(reserve(organization, 6))

        reserve(organization, 6)

        assert refused(organization, SMALLEST).reason == "cap"

    def test_counts_debt_too(self) -> None:
        organization = make_organization(funded=5, monthly_cap=20)
        settle(reserve(organization, 5), 18)
        grant(organization, 100)

        assert refused(organization, "2.000001").reason == "cap"
        reserve(organization, 2)

    def test_is_asked_before_the_pool(self) -> None:
        organization = make_organization(funded=5, monthly_cap=5)

        assert refused(organization, 6).reason == "cap"

    def test_acts_at_once_when_it_is_changed(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reserve(organization, 10)

        set_terms(organization, monthly_cap=11)
        reserve(organization, 1)
        set_terms(organization, monthly_cap=5)

        assert refused(organization, SMALLEST).reason == "cap"

    @pytest.mark.parametrize(
        ("moment", "admitted"),
        [
            ("2026-05-31 23:59:59.999999", False),
            ("2026-06-01 00:00:00", True),
            ("2026-06-01 00:00:00.000001", True),
        ],
    )
    def test_starts_again_with_the_period(self, moment: str, admitted: bool) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        settle(reserve(organization, 10), 10)

        outcome = try_to_reserve(organization, 10, now=at(moment))

        assert isinstance(outcome, Reservation) is admitted

    def test_does_not_count_a_hold_of_the_period_before(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        reserve(organization, 10, now=at("2026-05-31 23:50:00"))

        reserve(organization, 10, now=at("2026-06-01 00:01:00"))

        assert [p.reserved for p in periods_of(organization)] == [10, 10]


class TestPool:
    @pytest.mark.parametrize(
        ("overdraft", "admitted"),
        [(0, 10), ("2.5", "12.5"), (100, 110)],
    )
    def test_admits_as_far_below_zero_as_the_overdraft(
        self, overdraft: Amount, admitted: Amount
    ) -> None:
        organization = make_organization(funded=10, overdraft_limit=Decimal(overdraft))

        denial = refused(organization, Decimal(admitted) + SMALLEST)
        reserve(organization, admitted)

        assert (denial.reason, denial.affordable_credits) == ("balance", Decimal(admitted))
        assert refused(organization, SMALLEST).affordable_credits == 0

    def test_admits_everything_when_the_overdraft_is_null(self) -> None:
        organization = make_organization(overdraft_limit=None, charge_limit=None)

        reserve(organization, 10**12)

        assert money_of(organization) == amounts(0, 10**12, 0)

    def test_counts_debt_against_the_overdraft(self) -> None:
        organization = make_organization(overdraft_limit=10)
        settle(reserve(organization, 6), 6)

        assert refused(organization, "4.000001").reason == "balance"
        reserve(organization, 4)

    def test_still_obeys_the_cap_when_the_overdraft_is_null(self) -> None:
        organization = make_organization(overdraft_limit=None, monthly_cap=10)

        assert refused(organization, 11).reason == "cap"

    def test_follows_a_changed_overdraft_at_once(self) -> None:
        organization = make_organization(overdraft_limit=10)
        set_terms(organization, overdraft_limit=0)

        assert refused(organization, 1).reason == "balance"


class TestUpTo:
    @pytest.mark.parametrize(
        ("terms", "held"),
        [
            ({}, 10),
            ({"monthly_cap": 7}, 7),
            ({"monthly_cap": 12}, 10),
            ({"overdraft_limit": 3}, 13),
            ({"overdraft_limit": 3, "monthly_cap": 12}, 12),
            ({"overdraft_limit": None}, 50),
            ({"overdraft_limit": None, "monthly_cap": 20}, 20),
        ],
    )
    def test_holds_the_largest_amount_that_all_limits_admit(
        self, terms: dict[str, Any], held: int
    ) -> None:
        organization = make_organization(funded=10, **terms)

        reservation = reserve(organization, 50, mode=UP_TO)

        assert (reservation.credits, reservation.mode) == (Decimal(held), UP_TO)
        assert wallet_of(organization).reserved == held

    def test_holds_no_more_than_it_was_asked_for(self) -> None:
        organization = make_organization(funded=10)

        assert reserve(organization, 4, mode=UP_TO).credits == 4

    def test_is_refused_where_nothing_fits(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 10)

        denial = refused(organization, 5, mode=UP_TO)

        assert denial.reason == "balance"
        assert denial.affordable_credits == 0

    def test_is_refused_at_its_cap(self) -> None:
        organization = make_organization(funded=100, monthly_cap=10)
        settle(reserve(organization, 10), 10)

        assert refused(organization, 5, mode=UP_TO).reason == "cap"


class TestChargeLimit:
    """What one piece of work may cost at most."""

    def test_is_100_000_unless_set(self) -> None:
        organization = make_organization(funded=1_000_000)

        reserve(organization, 100_000)
        with pytest.raises(ChargeTooLarge, match=r"100000\.000001 credits: .* cost 100000 at most"):
            try_to_reserve(organization, "100000.000001")

        assert money_of(organization) == amounts(1_000_000, 100_000, 900_000)

    @pytest.mark.parametrize("limit", [None, 200_000])
    def test_is_what_the_terms_say(self, limit: Amount | None) -> None:
        organization = make_organization(funded=1_000_000, charge_limit=limit)

        assert reserve(organization, 200_000).credits == 200_000

    def test_is_asked_before_any_refill(self) -> None:
        _, child = make_refilled_family(child_has=0, charge_limit=3)

        with pytest.raises(ChargeTooLarge):
            try_to_reserve(child, 4)

        assert entries_of(child) == []

    def test_is_the_most_that_up_to_holds(self) -> None:
        organization = make_organization(funded=1_000_000)

        assert reserve(organization, 10**12, mode=UP_TO).credits == 100_000
