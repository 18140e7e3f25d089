"""Ending a cooldown: the worker tries again, only where the last attempt was refused because the parent was short."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from organizations.models import Organization
from tests.factories import (
    amounts,
    archive,
    end_refill_cooldown,
    expire,
    grant,
    later,
    make_refilled_family,
    money_of,
    refills_of,
    refused,
    reserve,
    set_terms,
    settle,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
COOLDOWN_ENDS = later(seconds=300)
MICROSECOND = timedelta(microseconds=1)


class TestRetryOfTheWorker:
    def short_family(self, **terms: Any) -> tuple[Organization, Organization]:
        parent, child = make_refilled_family(parent_has=0, child_has=0, **terms)
        refused(child, 1)
        grant(parent, 100)
        return parent, child

    @pytest.mark.parametrize(
        ("moment", "refilled"),
        [(COOLDOWN_ENDS - MICROSECOND, False), (COOLDOWN_ENDS, True)],
    )
    def test_happens_when_the_cooldown_is_over(self, moment: datetime, refilled: bool) -> None:
        _, child = self.short_family()

        assert end_refill_cooldown(child, now=moment) is refilled

        assert len(refills_of(child)) == int(refilled)

    def test_starts_a_cooldown_of_its_own(self) -> None:
        _, child = self.short_family()

        end_refill_cooldown(child, now=COOLDOWN_ENDS)

        assert wallet_of(child).refill_cooldown_ends_at == later(seconds=600)
        assert wallet_of(child).refill_retry_at is None

    def test_never_happens_for_a_child_that_was_not_refused(self) -> None:
        parent, child = make_refilled_family(child_has=0)

        assert end_refill_cooldown(child, now=later(days=1)) is False

        assert money_of(parent) == amounts(1_000, 0, 1_000)

    def test_does_not_follow_a_success(self) -> None:
        _, child = make_refilled_family()
        reserve(child, 30)

        assert end_refill_cooldown(child, now=later(days=1)) is False

        assert len(refills_of(child)) == 1

    def test_waits_for_another_cooldown_when_the_parent_is_still_short(self) -> None:
        _, child = make_refilled_family(parent_has=0, child_has=0)
        refused(child, 1)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False

        assert wallet_of(child).refill_retry_at == later(seconds=600)

    def test_is_dropped_once_the_child_is_above_its_threshold(self) -> None:
        _, child = self.short_family()
        grant(child, 5)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False

        assert wallet_of(child).refill_retry_at is None
        assert refills_of(child) == []

    @pytest.mark.parametrize(("cap", "refilled"), [(0, False), (3, False), (4, True)])
    def test_never_happens_at_or_over_the_cap(self, cap: int, refilled: bool) -> None:
        parent, child = make_refilled_family(parent_has=0, child_has=3)
        settle(reserve(child, 1), 1)
        reserve(child, 2, ttl=timedelta(days=1))
        grant(parent, 100)
        set_terms(child, monthly_cap=cap)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is refilled

        assert len(refills_of(child)) == int(refilled)

    def test_never_happens_while_the_child_is_suspended(self) -> None:
        _, child = self.short_family()
        suspend(child)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False
        assert wallet_of(child).refill_retry_at is None

    def test_never_happens_while_the_parent_is_suspended(self) -> None:
        parent, child = self.short_family()
        grant(parent, 100)
        suspend(parent)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False
        assert refills_of(child) == []

    def test_never_happens_once_the_child_is_archived(self) -> None:
        _, child = self.short_family()
        archive(child)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False
        assert refills_of(child) == []

    def test_never_happens_once_the_rule_is_gone(self) -> None:
        _, child = self.short_family()
        set_terms(child, refill_threshold=None, refill_amount=None)

        assert end_refill_cooldown(child, now=COOLDOWN_ENDS) is False
        assert wallet_of(child).refill_retry_at is None

    def test_follows_what_expired_holds_give_back(self) -> None:
        _, child = make_refilled_family(parent_has=0, child_has=10)
        reserve(child, 6)
        expire(child, now=later(minutes=15))

        assert end_refill_cooldown(child, now=later(minutes=15)) is False

        assert wallet_of(child).refill_retry_at is None

    def test_follows_holds_whose_time_has_passed_before_they_are_swept(self) -> None:
        _, child = make_refilled_family(parent_has=0, child_has=10)
        reserve(child, 6)
        grant(child.parent or child, 100, now=later(minutes=1))

        assert end_refill_cooldown(child, now=later(minutes=15)) is False

        assert wallet_of(child).refill_retry_at is None
