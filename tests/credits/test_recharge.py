"""Buying more credits, up to a limit per billing period."""

from decimal import Decimal

import pytest

from credits import services
from credits.models import Grant, LedgerEntry
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    KEY,
    NOW,
    amounts,
    archive,
    at,
    entries_of,
    grant,
    grants_of,
    make_family,
    make_organization,
    money_of,
    recharge,
    reserve,
    set_terms,
    settle,
    suspend,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestRecharge:
    def test_makes_a_purchase_that_does_not_expire(self) -> None:
        organization = make_organization(recharge_limit=100)

        entry = recharge(organization, 40)

        (lot,) = grants_of(organization)
        assert (lot.source, lot.expires_at) == (Grant.Source.PURCHASE, None)
        assert (lot.amount, lot.remaining) == amounts(40, 40)
        assert (entry.kind, entry.performed_by) == (LedgerEntry.Kind.RECHARGE, KEY)
        assert (entry.amount, entry.posted_at) == (Decimal(40), NOW)

    def test_pays_debt_first(self) -> None:
        organization = make_organization(funded=10, recharge_limit=100)
        settle(reserve(organization, 10), 14)

        recharge(organization, 10)

        assert money_of(organization) == amounts(6, 0, 6)

    def test_is_off_unless_staff_allow_it(self) -> None:
        organization = make_organization()

        with pytest.raises(services.RechargeLimitReached):
            recharge(organization, "0.000001")

    def test_may_land_on_the_limit(self) -> None:
        organization = make_organization(recharge_limit=100)
        recharge(organization, 60)

        recharge(organization, 40)

        assert money_of(organization) == amounts(100, 0, 100)

    def test_may_not_cross_the_limit(self) -> None:
        organization = make_organization(recharge_limit=100)
        recharge(organization, 60)

        with pytest.raises(services.RechargeLimitReached, match=r"60.*of 100.*40\.000001 more"):
            recharge(organization, "40.000001")

        assert money_of(organization) == amounts(60, 0, 60)
        assert len(entries_of(organization)) == 1

    def test_counts_no_other_funding(self) -> None:
        organization = make_organization(recharge_limit=100)
        grant(organization, 500)

        recharge(organization, 100)

        assert money_of(organization) == amounts(600, 0, 600)

    def test_counts_what_was_bought_and_spent(self) -> None:
        organization = make_organization(recharge_limit=100)
        recharge(organization, 100)
        settle(reserve(organization, 100), 100)

        with pytest.raises(services.RechargeLimitReached):
            recharge(organization, 1)

    def test_starts_again_with_the_next_period(self) -> None:
        organization = make_organization(recharge_limit=100)
        recharge(organization, 100)

        with pytest.raises(services.RechargeLimitReached):
            recharge(organization, 1, now=at("2026-05-31 23:59:59.999999"))
        recharge(organization, 100, now=at("2026-06-01"))

        assert money_of(organization) == amounts(200, 0, 200)

    def test_follows_a_changed_limit_at_once(self) -> None:
        organization = make_organization(recharge_limit=100)
        recharge(organization, 100)

        set_terms(organization, recharge_limit=150)
        recharge(organization, 50)

        set_terms(organization, recharge_limit=120)
        with pytest.raises(services.RechargeLimitReached):
            recharge(organization, "0.000001")

    @pytest.mark.parametrize("amount", [0, -1, 10**13 + 1])
    def test_refuses_an_amount_that_is_not_positive_or_too_large(self, amount: int) -> None:
        organization = make_organization(recharge_limit=10**14)

        with pytest.raises(services.InvalidAmount):
            recharge(organization, amount)

    def test_is_for_roots_only(self) -> None:
        _, child = make_family(recharge_limit=100)

        with pytest.raises(services.NotARoot):
            recharge(child, 1)

    def test_is_refused_while_suspended(self) -> None:
        organization = make_organization(recharge_limit=100)
        suspend(organization)

        with pytest.raises(OrganizationSuspended):
            recharge(organization, 1)

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization(recharge_limit=100)
        archive(organization)

        with pytest.raises(OrganizationArchived):
            recharge(organization, 1)
