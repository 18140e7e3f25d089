"""Reading a wallet: as the next command would find it, and without writing anything."""

from datetime import timedelta
from decimal import Decimal

import pytest

from credits import services
from credits.models import BillingPeriod, LedgerEntry, Reservation
from organizations.models import Actor
from tests.factories import (
    NOW,
    amounts,
    archive,
    at,
    grant,
    later,
    make_family,
    make_organization,
    money_of,
    periods_of,
    reserve,
    spend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
MICROSECOND = timedelta(microseconds=1)


class TestWalletAsOf:
    def test_shows_what_is_there(self) -> None:
        organization = make_organization(funded=10, allowance=100)
        reserve(organization, 4)

        reading = services.wallet_as_of(organization, now=NOW)

        assert reading.wallet == wallet_of(organization)
        assert (reading.wallet.balance, reading.wallet.available) == amounts(110, 106)
        assert reading.period == reading.wallet.period
        assert reading.included == 100

    def test_shows_a_hold_as_expired_from_its_moment_on(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 4)

        before = services.wallet_as_of(organization, now=later(minutes=15) - MICROSECOND)
        after = services.wallet_as_of(organization, now=later(minutes=15))

        assert (before.wallet.available, after.wallet.available) == amounts(6, 10)

    def test_shows_credits_as_lapsed_from_their_moment_on(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=later(days=1))

        before = services.wallet_as_of(organization, now=later(days=1) - MICROSECOND)
        after = services.wallet_as_of(organization, now=later(days=1))

        assert (before.wallet.balance, after.wallet.balance) == amounts(10, 0)

    def test_shows_the_period_and_the_allowance_of_the_moment(self) -> None:
        organization = make_organization(allowance=100, rollover_limit=30)
        spend(organization, 80)

        reading = services.wallet_as_of(organization, now=at("2026-06-01"))

        assert reading.period.starts_at == at("2026-06-01")
        assert reading.period.used == 0
        assert (reading.wallet.balance, reading.included) == amounts(120, 120)

    def test_writes_nothing(self) -> None:
        organization = make_organization(funded=10, allowance=100)
        reserve(organization, 4)
        tables = (LedgerEntry, BillingPeriod, Reservation)
        before = [list(table.objects.values()) for table in tables]

        services.wallet_as_of(organization, now=at("2026-09-01"))

        assert [list(table.objects.values()) for table in tables] == before
        assert money_of(organization) == amounts(110, 4, 106)
        assert len(periods_of(organization)) == 1

    def test_shows_that_what_an_archived_child_frees_goes_home(self) -> None:
        parent, child = make_family(funded=0)
        grant(child, 10)
        reserve(child, 4)
        archive(child)

        reading = services.wallet_as_of(child, now=later(minutes=15))

        assert reading.wallet.balance == 0
        assert money_of(parent) == amounts(6, 0, 6)


class TestIncluded:
    def test_counts_the_shares_that_came_in_mid_term(self) -> None:
        organization = make_organization(allowance=100, allowance_per_user=20)
        for name in ("Ana", "Bo"):
            services.create_actor(organization=organization, name=name, now=NOW)

        reading = services.wallet_as_of(organization, now=NOW)

        assert (reading.included, reading.wallet.allowance_remaining) == amounts(140, 140)

    def test_counts_every_share_of_a_new_term_once(self) -> None:
        organization = make_organization(allowance=100, allowance_per_user=20)
        services.create_actor(organization=organization, name="Ana", now=NOW)
        services.create_actor(
            organization=organization, name="Robot", kind=Actor.Kind.AGENT, now=NOW
        )

        reading = services.wallet_as_of(organization, now=at("2026-06-01"))

        assert reading.included == Decimal(120)

    def test_is_nothing_without_an_allowance(self) -> None:
        assert services.wallet_as_of(make_organization(funded=5), now=NOW).included == 0
