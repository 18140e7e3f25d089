"""How fast an organization uses its credits, as its page says it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from credits.ledger import open_period
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from tests.usage.test_outlook import foreseen, grown
from usage.admin.pace import Pace, pace_of, refused
from usage.admin.trend import balances
from usage.services import rollups

pytestmark = pytest.mark.django_db(transaction=True)

START = f.NOW - timedelta(days=20)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000, now=START)


def use_on(organization: Organization, days_ago: int, amount: int) -> None:
    p.use(p.work(organization, credits=amount), amount, now=f.NOW - timedelta(days=days_ago))


def pace(organization: Organization, *, now: Any = f.NOW) -> Pace:
    found = pace_of(Organization.objects.get(pk=organization.pk), now=now)
    assert found is not None
    return found


class TestPaceOf:
    def test_has_a_bar_for_each_of_thirty_days(self, organization: Organization) -> None:
        use_on(organization, 3, 40)
        use_on(organization, 2, 10)

        bars = pace(organization).bars

        assert len(bars) == 30
        assert bars[-1].day == f.NOW.date()
        assert [bar.used for bar in bars[-4:]] == [40, 10, 0, 0]
        assert [bar.height for bar in bars[-4:]] == [100, 25, 0, 0]

    def test_is_that_of_the_last_fourteen_whole_days(self, organization: Organization) -> None:
        use_on(organization, 15, 500)
        use_on(organization, 3, 28)
        use_on(organization, 0, 2)

        assert pace(organization).outlook.a_day == 2

    def test_is_that_of_fewer_days_where_there_are_not_as_many(self) -> None:
        young = f.make_organization(funded=100, now=f.NOW - timedelta(days=2))
        use_on(young, 1, 20)

        assert pace(young).outlook.a_day == 10
        assert pace(young).outlook.pool.short == "too early to say"

    def test_says_on_the_page_what_the_api_says(self) -> None:
        organization = grown(500)
        f.set_terms(organization, monthly_cap=open_period(f.wallet_of(organization)).used + 50)
        outlook = foreseen(organization)
        client = staff_who_may("organizations.view_organization")
        with time_machine.travel(f.NOW, tick=False):
            page = reverse("admin:organizations_organization_change", args=[organization.pk])
            seen = client.get(page).content.decode()

        assert outlook.cap is not None
        assert outlook.pool.short in seen
        assert outlook.pool.words in seen
        assert outlook.cap.words in seen

    def test_says_first_what_ends_first(self) -> None:
        organization = grown(500)
        used = open_period(f.wallet_of(organization)).used
        for cap, is_first in ((used + 50, True), (used + 5_000, False), (None, False)):
            f.set_terms(organization, monthly_cap=cap)
            found = pace(organization)

            first = found.outlook.cap if is_first else found.outlook.pool
            assert first is not None
            assert (found.is_capped_first, found.first) == (is_first, first)
            assert found.words.startswith(first.words)
            assert found.outlook.pool.words in found.words

    def test_says_of_the_cap_only_what_comes_before_it_resets(
        self, organization: Organization
    ) -> None:
        use_on(organization, 18, 10)
        f.set_terms(organization, monthly_cap=9_000)

        assert pace(organization).outlook.capped is None

    def test_is_nothing_while_much_is_not_added_up(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rollups, "TAIL", 0)
        use_on(organization, 1, 1)

        assert pace_of(organization, now=f.NOW) is None
        page = reverse("admin:organizations_organization_change", args=[organization.pk])
        seen = staff_who_may("organizations.view_organization").get(page).content.decode()
        assert "the latest work is not added up yet" in seen


class TestTrend:
    def test_is_what_was_there_at_the_end_of_each_day(self, organization: Organization) -> None:
        f.spend(organization, 400, now=f.NOW - timedelta(days=3))
        f.spend(organization, 1, now=f.NOW)

        held = balances(f.wallet_of(organization), now=f.NOW)

        assert held == [*[0] * 9, *[1_000] * 17, *[600] * 3, 599]

    def test_stands_at_the_head_and_with_its_figures_beside_the_money(
        self, ana: Client, organization: Organization
    ) -> None:
        page = reverse("admin:organizations_organization_change", args=[organization.pk])

        assert "Balance, the last 30 days" in ana.get(page).content.decode()
        money = ana.get(page, {"tab": "money"}).content.decode()
        assert "Balance at the end of each of the last 90 days" in money
        assert money.count('<th scope="row">') >= 90


class TestRefused:
    def test_counts_each_time_by_reason(self, organization: Organization) -> None:
        for _ in range(2):
            refuse(organization, 1_001)
        f.set_terms(organization, monthly_cap=Decimal(1))
        refuse(organization, 2)

        found = refused(organization, now=f.NOW)

        assert found == (3, [("balance", 2), ("cap", 1)])
