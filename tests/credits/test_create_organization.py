"""Creating an organization: with its wallet, its terms and its first billing period."""

from datetime import date
from decimal import Decimal

import pytest

from credits import services
from credits.models import CreditConfig, Wallet
from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    NOW,
    amounts,
    archive,
    at,
    entries_of,
    grants_of,
    make_organization,
    money_of,
    periods_of,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestCreateOrganization:
    def test_makes_an_active_one_with_an_empty_wallet(self) -> None:
        organization = services.create_organization(
            name="Nordwind Games",
            metadata={"crm": "A-17"},
            billing_email="pay@nordwind.example",
            now=NOW,
        )

        stored = Organization.objects.get(id=organization.id)
        assert (stored.name, stored.status) == ("Nordwind Games", "active")
        assert (stored.metadata, stored.billing_email) == ({"crm": "A-17"}, "pay@nordwind.example")
        assert (stored.created_at, stored.updated_at, stored.archived_at) == (NOW, NOW, None)
        assert money_of(organization) == amounts(0, 0, 0)
        assert entries_of(organization) == []

    def test_gives_terms_that_allow_what_is_prepaid_and_no_more(self) -> None:
        organization = services.create_organization(name="Nordwind Games", now=NOW)

        config = CreditConfig.objects.get(wallet__organization=organization)
        assert {
            field.name: getattr(config, field.name)
            for field in CreditConfig._meta.fields
            if field.name != "wallet"
        } == {
            "monthly_cap": None,
            "refill_threshold": None,
            "refill_amount": None,
            "refill_cooldown_seconds": 300,
            "allowance": 0,
            "allowance_per_user": 0,
            "seat_limit": None,
            "term": "month",
            "anchored_on": date(2026, 5, 1),
            "rollover_limit": 0,
            "overdraft_limit": 0,
            "overage_rate": 1,
            "when_empty": "deny",
            "recharge_limit": 0,
            "charge_limit": 100_000,
            "free_fallback_limit": 10_000,
            "actor_open_holds_limit": 10_000,
            "open_holds_limit": 10_000,
            "cancelled_by": "",
            "first_term_full": False,
            "cancel_at_period_end": False,
        }

    def test_begins_with_its_allowance(self) -> None:
        organization = make_organization(allowance=100)

        (entry,) = entries_of(organization)
        assert (entry.kind, entry.amount, entry.posted_at) == ("renew", Decimal(100), NOW)
        (lot,) = grants_of(organization)
        assert (lot.term_starts_at, lot.expires_at) == (at("2026-05-01"), at("2026-06-01"))
        assert wallet_of(organization).lapse_at == at("2026-06-01")

    @pytest.mark.parametrize(
        ("now", "anchored_on", "starts_at", "ends_at"),
        [
            ("2026-05-10 12:00", None, "2026-05-01", "2026-06-01"),
            ("2026-05-01 00:00", None, "2026-05-01", "2026-06-01"),
            ("2026-05-31 23:59:59.999999", None, "2026-05-01", "2026-06-01"),
            ("2026-05-10 12:00", date(2026, 5, 10), "2026-05-10", "2026-06-10"),
            ("2026-05-10 12:00", date(2020, 1, 11), "2026-04-11", "2026-05-11"),
            ("2026-02-28 12:00", date(2026, 1, 31), "2026-02-28", "2026-03-31"),
            ("2028-02-29 12:00", date(2028, 2, 29), "2028-02-29", "2028-03-29"),
        ],
    )
    def test_opens_the_period_that_contains_now(
        self, now: str, anchored_on: date | None, starts_at: str, ends_at: str
    ) -> None:
        organization = make_organization(anchored_on=anchored_on, now=at(now))

        (period,) = periods_of(organization)
        assert (period.index, period.opening_balance) == (0, Decimal(0))
        assert (period.starts_at, period.ends_at) == (at(starts_at), at(ends_at))
        assert wallet_of(organization).period == period

    @pytest.mark.parametrize(
        ("anchored_on", "ends_at"),
        [
            (date(2026, 5, 10), "2027-05-10"),
            (date(2025, 9, 10), "2026-09-10"),
            (date(2026, 12, 10), "2026-12-10"),
        ],
    )
    def test_gives_a_yearly_customer_a_term_to_the_next_anniversary(
        self, anchored_on: date, ends_at: str
    ) -> None:
        organization = make_organization(term="year", allowance=1_200, anchored_on=anchored_on)

        (period,) = periods_of(organization)
        assert period.term_ends_at == at(ends_at)
        assert grants_of(organization)[0].expires_at == at(ends_at)

    def test_makes_children_of_a_root(self) -> None:
        parent = make_organization()

        child = make_organization(parent=parent)

        assert list(parent.children.all()) == [child]

    def test_refuses_a_grandchild(self) -> None:
        child = make_organization(parent=make_organization())

        with pytest.raises(services.NotARoot):
            make_organization(parent=child)

        assert Organization.objects.count() == Wallet.objects.count() == 2

    def test_refuses_a_child_of_a_suspended_parent(self) -> None:
        parent = suspend(make_organization())

        with pytest.raises(OrganizationSuspended):
            make_organization(parent=parent)

    def test_refuses_a_child_of_an_archived_parent(self) -> None:
        parent = archive(make_organization()).organization

        with pytest.raises(OrganizationArchived):
            make_organization(parent=parent)

        assert Organization.objects.count() == 1
