"""Correcting a balance by hand: signed, with a reason, never beyond what is available."""

from decimal import Decimal

import pytest

from credits import services
from credits.ledger import InsufficientCredits
from credits.models import Grant, LedgerEntry
from tests.factories import (
    NOW,
    STAFF,
    adjust,
    amounts,
    archive,
    entries_of,
    grant,
    grants_of,
    later,
    make_organization,
    money_of,
    reserve,
    reverse,
    settle,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestAdjust:
    def test_upwards_makes_a_grant_of_its_own(self) -> None:
        organization = make_organization()

        entry = adjust(organization, 5)

        (lot,) = grants_of(organization)
        assert (lot.source, lot.expires_at) == (Grant.Source.ADJUSTMENT, None)
        assert (lot.amount, lot.remaining) == amounts(5, 5)
        assert entry.kind == LedgerEntry.Kind.ADJUST
        assert (entry.amount, entry.balance_after) == amounts(5, 5)
        assert (entry.reason, entry.performed_by) == ("correction", STAFF)
        assert entry.posted_at == NOW

    def test_upwards_pays_debt_first(self) -> None:
        organization = make_organization(funded=10)
        settle(reserve(organization, 10), 12)

        adjust(organization, 5)

        assert money_of(organization) == amounts(3, 0, 3)

    def test_downwards_draws_from_the_grants_in_their_order(self) -> None:
        organization = make_organization(funded=10)
        grant(organization, 4, expires_at=later(days=30))

        adjust(organization, -6)

        assert [lot.remaining for lot in grants_of(organization)] == [8, 0]
        assert entries_of(organization)[-1].amount == -6

    def test_downwards_takes_allowance_too(self) -> None:
        organization = make_organization(allowance=10)

        adjust(organization, -4)

        assert money_of(organization) == amounts(6, 0, 6)

    def test_takes_all_that_is_available(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 4)

        adjust(organization, -6)

        assert money_of(organization) == amounts(4, 4, 0)

    def test_refuses_to_take_more_than_is_available(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 4)

        with pytest.raises(InsufficientCredits, match=r"6\.000000 available, 6\.000001 needed"):
            adjust(organization, "-6.000001")

        assert money_of(organization) == amounts(10, 4, 6)

    def test_never_uses_the_overdraft(self) -> None:
        organization = make_organization(funded=10, overdraft_limit=None)

        with pytest.raises(InsufficientCredits):
            adjust(organization, "-10.000001")

    def test_never_deepens_a_debt(self) -> None:
        organization = make_organization(overdraft_limit=None)
        settle(reserve(organization, 3), 3)

        with pytest.raises(InsufficientCredits):
            adjust(organization, -1)

        assert money_of(organization) == amounts(-3, 0, 0)

    def test_takes_what_an_expired_hold_no_longer_needs(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)

        adjust(organization, -10, now=later(minutes=15))

        assert money_of(organization) == amounts(0, 0, 0)

    @pytest.mark.parametrize("amount", [0, 10**13 + 1, -(10**13) - 1])
    def test_refuses_nothing_and_too_much(self, amount: int) -> None:
        organization = make_organization(funded=10)

        with pytest.raises(services.InvalidAmount):
            adjust(organization, amount)

    def test_ends_the_debt_of_an_archived_organization(self) -> None:
        organization = make_organization(funded=10)
        settle(reserve(organization, 10), 14)
        archive(organization)

        adjust(organization, 4)

        assert money_of(organization) == amounts(0, 0, 0)


class TestFromAGrant:
    def test_takes_it_from_the_one_that_is_named(self) -> None:
        organization = make_organization(allowance=300)
        bought = grant(organization, 500)

        adjust(organization, -200, from_grant=bought.grants.get())

        assert [lot.remaining for lot in grants_of(organization)] == [300, 300]

    def test_refuses_more_than_remains_of_it(self) -> None:
        organization = make_organization(allowance=300)
        lot = grant(organization, 5).grants.get()

        with pytest.raises(InsufficientCredits, match=r"5\.000000 remain of that grant, 6 needed"):
            adjust(organization, -6, from_grant=lot)

        assert money_of(organization) == amounts(305, 0, 305)

    def test_refuses_what_holds_need(self) -> None:
        organization = make_organization(funded=5)
        reserve(organization, 4)

        with pytest.raises(InsufficientCredits, match=r"1\.000000 available, 5 needed"):
            adjust(organization, -5, from_grant=grants_of(organization)[0])

    def test_takes_none_of_somebody_elses(self) -> None:
        organization = make_organization(funded=5)
        (theirs,) = grants_of(make_organization("Other", funded=5))

        with pytest.raises(Grant.DoesNotExist):
            adjust(organization, -5, from_grant=theirs)

    def test_is_for_what_is_taken_away(self) -> None:
        organization = make_organization(funded=5)
        (lot,) = grants_of(organization)

        for options in ({"from_grant": lot}, {"into_debt": True}):
            with pytest.raises(services.InvalidAmount, match="less than 0 expected"):
                adjust(organization, 5, **options)


class TestIntoDebt:
    def test_takes_the_named_then_the_prepaid_then_the_allowance_then_debt(self) -> None:
        organization = make_organization(allowance=30)
        named = grant(organization, 10).grants.get()
        grant(organization, 20)

        for amount, left in ((-12, [30, 0, 18]), (-20, [28, 0, 0]), (-40, [0, 0, 0])):
            adjust(organization, amount, from_grant=named, into_debt=True)
            assert [lot.remaining for lot in grants_of(organization)] == left

        assert money_of(organization) == amounts(-12, 0, 0)

    def test_takes_what_holds_need(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)

        adjust(organization, -10, into_debt=True)

        assert money_of(organization) == amounts(0, 8, 0)

    def test_can_be_reversed_in_parts_debt_first(self) -> None:
        organization = make_organization(funded=10)
        entry = adjust(organization, -15, into_debt=True)

        for part, balance in ((3, -2), (4, 2), (8, 10)):
            reverse(entry, amount=Decimal(part))
            assert money_of(organization)[0] == balance

        assert [lot.remaining for lot in grants_of(organization)] == [10]
