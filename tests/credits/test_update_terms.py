"""Changing the terms: what is not named stays, and the refill rule is whole or not there."""

from decimal import Decimal
from typing import Any

import pytest

from credits import services
from credits.models import CreditConfig
from organizations.models import Organization
from organizations.services import OrganizationArchived
from tests.factories import (
    STAFF,
    archive,
    at,
    make_organization,
    periods_of,
    set_terms,
    suspend,
)

pytestmark = pytest.mark.django_db(transaction=True)


def config_of(organization: Organization) -> CreditConfig:
    return CreditConfig.objects.get(wallet__organization=organization)


class TestUpdateTerms:
    def test_changes_what_is_named_and_nothing_else(self) -> None:
        organization = make_organization(monthly_cap=10, recharge_limit=7)

        wallet = set_terms(organization, monthly_cap=20)

        assert wallet.config.monthly_cap == 20
        stored = config_of(organization)
        assert (stored.monthly_cap, stored.recharge_limit) == (Decimal(20), Decimal(7))

    def test_clears_with_null(self) -> None:
        organization = make_organization(monthly_cap=10)

        set_terms(organization, monthly_cap=None)

        assert config_of(organization).monthly_cap is None

    def test_takes_zero_as_a_value(self) -> None:
        organization = make_organization(monthly_cap=10)

        set_terms(organization, monthly_cap=0)

        assert config_of(organization).monthly_cap == 0

    def test_remembers_who_changed_what(self) -> None:
        organization = make_organization(monthly_cap=10)

        set_terms(organization, monthly_cap=20)

        after, before = config_of(organization).history.all()
        assert (before.monthly_cap, after.monthly_cap) == (Decimal(10), Decimal(20))
        assert after.history_change_reason == STAFF

    def test_writes_no_history_where_nothing_is_named(self) -> None:
        organization = make_organization()

        set_terms(organization)

        assert config_of(organization).history.count() == 1

    def test_posts_what_is_due_first(self) -> None:
        organization = make_organization()

        set_terms(organization, monthly_cap=5, now=at("2026-06-02"))

        assert len(periods_of(organization)) == 2

    def test_is_possible_while_suspended(self) -> None:
        organization = make_organization()
        suspend(organization)

        set_terms(organization, monthly_cap=5)

        assert config_of(organization).monthly_cap == 5

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization()
        archive(organization)

        with pytest.raises(OrganizationArchived):
            set_terms(organization, monthly_cap=5)


class TestRefillRule:
    @pytest.mark.parametrize(
        ("before", "changes", "allowed"),
        [
            ((None, None), {"refill_threshold": 5}, False),
            ((None, None), {"refill_amount": 20}, False),
            ((None, None), {"refill_threshold": 5, "refill_amount": 20}, True),
            ((None, None), {"refill_threshold": 0, "refill_amount": 20}, True),
            ((None, None), {"refill_threshold": 5, "refill_amount": None}, False),
            ((5, 20), {"refill_threshold": 7}, True),
            ((5, 20), {"refill_amount": 30}, True),
            ((5, 20), {"refill_threshold": None}, False),
            ((5, 20), {"refill_amount": None}, False),
            ((5, 20), {"refill_threshold": None, "refill_amount": None}, True),
        ],
    )
    def test_is_decided_on_the_merged_terms(
        self, before: tuple[int | None, int | None], changes: dict[str, Any], allowed: bool
    ) -> None:
        organization = make_organization(refill_threshold=before[0], refill_amount=before[1])

        if allowed:
            set_terms(organization, **changes)
        else:
            with pytest.raises(services.RefillRequiresThresholdAndAmount):
                set_terms(organization, **changes, monthly_cap=99)

        merged = dict(zip(("refill_threshold", "refill_amount"), before, strict=True))
        merged |= changes if allowed else {}
        stored = config_of(organization)
        assert {name: getattr(stored, name) for name in merged} == merged
        assert stored.monthly_cap is None
        assert stored.auto_refill_enabled is (merged["refill_amount"] is not None)
