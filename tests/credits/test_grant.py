"""Granting credits: who gave them, until when, and what debt they pay first."""

from datetime import timedelta
from decimal import Decimal

import pytest

from credits import services
from credits.models import MAX_AMOUNT, Grant, GrantDraw, LedgerEntry
from organizations.services import OrganizationArchived
from tests.factories import (
    NOW,
    STAFF,
    Amount,
    amounts,
    archive,
    entries_of,
    grant,
    grants_of,
    later,
    make_organization,
    money_of,
    reserve,
    settle,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
MICROSECOND = timedelta(microseconds=1)


class TestGrant:
    def test_adds_to_the_balance(self) -> None:
        organization = make_organization()

        grant(organization, "10.5")

        assert money_of(organization) == amounts("10.5", 0, "10.5")

    def test_writes_one_entry_that_says_who_and_why(self) -> None:
        organization = make_organization()

        grant(organization, 10)

        (entry,) = entries_of(organization)
        assert (entry.number, entry.kind, entry.reason) == (1, LedgerEntry.Kind.GRANT, "welcome")
        assert (entry.amount, entry.balance_after) == amounts(10, 10)
        assert (entry.performed_by, entry.posted_at) == (STAFF, NOW)
        assert entry.period == wallet_of(organization).period

    def test_makes_one_grant_that_remains_whole(self) -> None:
        organization = make_organization()

        entry = grant(organization, 10)

        (lot,) = grants_of(organization)
        assert (lot.amount, lot.remaining) == amounts(10, 10)
        assert (lot.source, lot.priority, lot.expires_at) == (Grant.Source.GRANT, 50, None)
        assert (lot.entry, lot.created_at, lot.term_starts_at) == (entry, NOW, None)

    def test_keeps_the_priority_and_expiry_it_is_given(self) -> None:
        organization = make_organization()

        grant(organization, 10, priority=7, expires_at=later(days=90))

        (lot,) = grants_of(organization)
        assert (lot.priority, lot.expires_at) == (7, later(days=90))
        assert wallet_of(organization).lapse_at == later(days=90)

    def test_remembers_the_soonest_expiry(self) -> None:
        organization = make_organization()

        grant(organization, 1, expires_at=later(days=30))
        grant(organization, 1, expires_at=later(days=90))
        grant(organization, 1)

        assert wallet_of(organization).lapse_at == later(days=30)

    @pytest.mark.parametrize("amount", [0, -1, "-0.000001", MAX_AMOUNT + Decimal("0.000001")])
    def test_refuses_an_amount_that_is_not_positive_or_too_large(self, amount: Amount) -> None:
        organization = make_organization()

        with pytest.raises(services.InvalidAmount):
            grant(organization, amount)

        assert entries_of(organization) == []

    @pytest.mark.parametrize("amount", [Decimal("0.000001"), MAX_AMOUNT])
    def test_takes_the_smallest_and_the_largest_amount(self, amount: Decimal) -> None:
        organization = make_organization()

        grant(organization, amount)

        assert wallet_of(organization).balance == amount

    def test_refuses_credits_that_expire_at_this_moment(self) -> None:
        organization = make_organization()

        with pytest.raises(services.InvalidExpiry):
            grant(organization, 10, expires_at=NOW)

        assert money_of(organization) == amounts(0, 0, 0)

    def test_takes_credits_that_expire_a_microsecond_later(self) -> None:
        organization = make_organization()

        grant(organization, 10, expires_at=NOW + MICROSECOND)

        assert money_of(organization) == amounts(10, 0, 10)

    def test_funds_a_suspended_organization(self) -> None:
        organization = make_organization()
        suspend(organization)

        grant(organization, 10)

        assert money_of(organization) == amounts(10, 0, 10)

    def test_refuses_an_archived_organization(self) -> None:
        organization = make_organization()
        archive(organization)

        with pytest.raises(OrganizationArchived):
            grant(organization, 10)

        assert money_of(organization) == amounts(0, 0, 0)


class TestDebt:
    def test_is_visible_and_paid_first(self) -> None:
        organization = make_organization(funded=10)
        settle(reserve(organization, 10), 14)
        assert money_of(organization) == amounts(-4, 0, 0)
        assert wallet_of(organization).debt == 4

        grant(organization, 10)

        assert money_of(organization) == amounts(6, 0, 6)
        lot = grants_of(organization)[-1]
        assert (lot.amount, lot.remaining) == amounts(10, 6)

    def test_takes_all_of_a_grant_that_is_smaller(self) -> None:
        organization = make_organization(funded=10)
        settle(reserve(organization, 10), 14)

        entry = grant(organization, 3)

        assert money_of(organization) == amounts(-1, 0, 0)
        lot = grants_of(organization)[-1]
        assert (lot.amount, lot.remaining) == amounts(3, 0)
        assert not GrantDraw.objects.filter(entry=entry).exists()

    def test_takes_all_of_a_grant_of_its_own_size(self) -> None:
        organization = make_organization(funded=10)
        settle(reserve(organization, 10), 14)

        grant(organization, 4)

        assert money_of(organization) == amounts(0, 0, 0)
        assert wallet_of(organization).debt == 0
