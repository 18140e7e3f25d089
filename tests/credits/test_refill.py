"""Refilling: below a threshold a child gets exactly its refill amount from its parent, or nothing."""

import logging
from datetime import datetime, timedelta

import pytest

from organizations.services import OrganizationSuspended
from tests.factories import (
    NOW,
    Amount,
    allocate,
    amounts,
    at,
    end_refill_cooldown,
    entries_of,
    grant,
    grants_of,
    later,
    make_organization,
    make_refilled_family,
    money_of,
    refills_of,
    refused,
    reserve,
    settle,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
COOLDOWN_ENDS = later(seconds=300)
MICROSECOND = timedelta(microseconds=1)


class TestThreshold:
    @pytest.mark.parametrize(("need", "refills"), [(4, 0), (5, 0), ("5.000001", 1), (10, 1)])
    def test_is_compared_with_what_the_request_would_leave(
        self, need: Amount, refills: int
    ) -> None:
        _, child = make_refilled_family()

        reserve(child, need)

        assert len(refills_of(child)) == refills

    def test_counts_holds(self) -> None:
        _, child = make_refilled_family()
        reserve(child, 5)

        reserve(child, 1)

        assert money_of(child) == amounts(30, 6, 24)

    def test_of_zero_fires_only_below_zero(self) -> None:
        _, child = make_refilled_family(refill_threshold=0)

        reserve(child, 10)
        assert refills_of(child) == []

        reserve(child, 1)
        assert len(refills_of(child)) == 1

    def test_unset_never_fires(self) -> None:
        _, child = make_refilled_family(refill_threshold=None, refill_amount=None)

        assert refused(child, 11).reason == "balance"

    def test_is_seen_after_credits_lapsed_unnoticed(self) -> None:
        _, child = make_refilled_family(child_has=0)
        grant(child, 100, expires_at=later(days=1))

        reserve(child, 1, now=later(days=1))

        assert money_of(child) == amounts(20, 1, 19)

    def test_is_not_missed_after_a_new_allowance(self) -> None:
        _, child = make_refilled_family(child_has=0, allowance=100)
        settle(reserve(child, 100), 100, now=later(minutes=1))
        refilled = len(refills_of(child))

        reserve(child, 50, now=at("2026-06-01"))

        assert len(refills_of(child)) == refilled

    def test_does_not_count_a_hold_whose_time_has_passed(self) -> None:
        _, child = make_refilled_family()
        reserve(child, 5)

        reserve(child, 5, now=later(minutes=15))

        assert refills_of(child) == []


class TestRefill:
    def test_moves_exactly_the_amount_on_both_ledgers(self) -> None:
        parent, child = make_refilled_family()

        reserve(child, 8)

        (sent,), (received,) = refills_of(parent), refills_of(child)
        assert (sent.amount, received.amount) == amounts(-20, 20)
        assert sent.transfer_id == received.transfer_id is not None
        assert sent.performed_by == received.performed_by == "calendar"
        assert money_of(parent) == amounts(980, 0, 980)
        assert money_of(child) == amounts(30, 8, 22)

    def test_admits_the_request_that_caused_it(self) -> None:
        _, child = make_refilled_family()

        assert reserve(child, 30).credits == 30

    def test_survives_the_denial_of_the_request_that_caused_it(self) -> None:
        parent, child = make_refilled_family()

        denial = refused(child, 31)

        assert denial.reason == "balance"
        assert denial.affordable_credits == 30
        assert money_of(child) == amounts(30, 0, 30)
        assert money_of(parent) == amounts(980, 0, 980)

    def test_takes_the_last_credits_of_the_parent(self) -> None:
        parent, child = make_refilled_family(parent_has=20)

        reserve(child, 8)

        assert money_of(parent) == amounts(0, 0, 0)

    @pytest.mark.parametrize("parent_has", [0, 1, "19.999999"])
    def test_moves_nothing_when_the_parent_is_short(self, parent_has: Amount) -> None:
        parent, child = make_refilled_family(parent_has=parent_has)

        denial = refused(child, 11)

        assert denial.reason == "balance"
        assert refills_of(child) == refills_of(parent) == []
        assert money_of(child) == amounts(10, 0, 10)

    def test_still_admits_what_the_child_can_pay_when_the_parent_is_short(self) -> None:
        _, child = make_refilled_family(parent_has=0)

        assert reserve(child, 10).credits == 10

    def test_leaves_the_allowance_and_the_holds_of_the_parent_alone(self) -> None:
        parent = make_organization(funded=30, allowance=100)
        child = make_organization(parent=parent, refill_threshold=5, refill_amount=20)
        reserve(parent, 111)

        refused(child, 1)
        assert refills_of(child) == []

        allocate(child, 19)

    def test_never_uses_the_overdraft_of_the_parent(self) -> None:
        parent = make_organization(funded=10, overdraft_limit=None)
        child = make_organization(parent=parent, refill_threshold=5, refill_amount=20)

        refused(child, 1)

        assert refills_of(child) == []

    def test_takes_what_an_expired_hold_of_the_parent_no_longer_needs(self) -> None:
        parent, child = make_refilled_family(parent_has=30)
        reserve(parent, 30)

        reserve(child, 11, now=later(minutes=15))

        assert len(refills_of(child)) == 1

    def test_keeps_expiry_and_priority(self) -> None:
        parent, child = make_refilled_family(parent_has=0, child_has=0)
        grant(parent, 50, expires_at=later(days=30), priority=7)

        reserve(child, 8)

        (lot,) = grants_of(child)
        assert (lot.expires_at, lot.priority) == (later(days=30), 7)

    def test_pays_debt_first(self) -> None:
        _, child = make_refilled_family()
        settle(reserve(child, 5), 25)
        assert wallet_of(child).balance == -15

        reserve(child, 1)

        assert money_of(child) == amounts(5, 1, 4)

    def test_leaves_a_sibling_alone(self) -> None:
        parent, child = make_refilled_family()
        sibling = make_organization(parent=parent, refill_threshold=5, refill_amount=20)

        reserve(child, 8)

        assert entries_of(sibling) == []

    def test_of_a_root_has_nobody_to_ask(self) -> None:
        root = make_organization(funded=10, refill_threshold=5, refill_amount=20)

        reserve(root, 10)
        assert refused(root, 1).reason == "balance"

        assert refills_of(root) == []

    def test_holds_the_most_that_fits_afterwards(self) -> None:
        _, child = make_refilled_family()

        assert reserve(child, 99, mode="up_to").credits == 30

    def test_is_asked_about_what_the_cap_leaves_of_an_up_to(self) -> None:
        _, child = make_refilled_family(monthly_cap=5)

        assert reserve(child, 99, mode="up_to").credits == 5

        assert refills_of(child) == []


class TestCap:
    def test_is_asked_first(self) -> None:
        _, child = make_refilled_family(monthly_cap=7)

        assert refused(child, 8).reason == "cap"

        assert refills_of(child) == []

    def test_that_is_reached_is_never_refilled(self) -> None:
        _, child = make_refilled_family(monthly_cap=9)
        reserve(child, 9, now=NOW)
        first = len(refills_of(child))

        refused(child, 1, now=later(minutes=10))

        assert len(refills_of(child)) == first

    def test_of_zero_is_never_refilled(self) -> None:
        _, child = make_refilled_family(child_has=0, monthly_cap=0)

        assert refused(child, 1).reason == "cap"

        assert refills_of(child) == []


class TestCooldown:
    def test_lets_a_burst_refill_once(self) -> None:
        _, child = make_refilled_family(refill_amount=5)
        for _ in range(12):
            reserve(child, 1)

        assert len(refills_of(child)) == 1

    @pytest.mark.parametrize(
        ("moment", "refills"),
        [(COOLDOWN_ENDS - MICROSECOND, 1), (COOLDOWN_ENDS, 2), (COOLDOWN_ENDS + MICROSECOND, 2)],
    )
    def test_ends_at_its_moment_without_a_worker(self, moment: datetime, refills: int) -> None:
        _, child = make_refilled_family(refill_amount=1)
        reserve(child, 8)

        reserve(child, 1, now=moment)

        assert len(refills_of(child)) == refills

    def test_is_as_long_as_the_terms_say(self) -> None:
        _, child = make_refilled_family(refill_amount=1, refill_cooldown_seconds=60)

        reserve(child, 8)

        assert wallet_of(child).refill_cooldown_ends_at == later(seconds=60)

    def test_is_not_started_by_a_refusal(self) -> None:
        parent, child = make_refilled_family(parent_has=0)
        refused(child, 11)
        grant(parent, 100)

        reserve(child, 11)

        assert len(refills_of(child)) == 1

    def test_denies_what_only_another_refill_could_pay(self) -> None:
        _, child = make_refilled_family()
        reserve(child, 30)

        assert refused(child, 1, now=COOLDOWN_ENDS - MICROSECOND).reason == "balance"
        reserve(child, 1, now=COOLDOWN_ENDS)

    def test_is_cleared_by_the_worker(self) -> None:
        _, child = make_refilled_family()
        reserve(child, 8)

        end_refill_cooldown(child, now=COOLDOWN_ENDS - MICROSECOND)
        assert wallet_of(child).refill_cooldown_ends_at == COOLDOWN_ENDS

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False
        assert wallet_of(child).refill_cooldown_ends_at is None
        assert len(refills_of(child)) == 1


class TestRefusal:
    def test_is_noted_once_per_cooldown(self, caplog: pytest.LogCaptureFixture) -> None:
        _, child = make_refilled_family(parent_has=0)

        with caplog.at_level(logging.WARNING, logger="credits"):
            for second in (0, 1, 299):
                refused(child, 11, now=later(seconds=second))
            refused(child, 11, now=later(seconds=300))

        noted = [record for record in caplog.records if "refill refused" in record.message]
        assert len(noted) == 2
        assert child.public_id in noted[0].message

    def test_asks_the_worker_to_try_again_after_a_cooldown(self) -> None:
        _, child = make_refilled_family(parent_has=0)

        refused(child, 11)
        refused(child, 11, now=later(seconds=200))

        assert wallet_of(child).refill_retry_at == COOLDOWN_ENDS

    def test_is_forgotten_after_a_success(self) -> None:
        parent, child = make_refilled_family(parent_has=0)
        refused(child, 11)
        grant(parent, 100)

        reserve(child, 11, now=later(seconds=10))

        assert wallet_of(child).refill_retry_at is None

    def test_is_not_even_tried_from_a_suspended_parent(self) -> None:
        parent, child = make_refilled_family()
        suspend(parent)

        with pytest.raises(OrganizationSuspended):
            refused(child, 11)

        assert money_of(parent) == amounts(1_000, 0, 1_000)
        assert wallet_of(child).refill_retry_at is None
