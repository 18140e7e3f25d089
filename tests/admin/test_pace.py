"""How fast an organization uses its credits, as its page says it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from credits import services
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from usage.admin.pace import Pace, pace_of, refused
from usage.services import rollups

pytestmark = pytest.mark.django_db(transaction=True)

START = f.NOW - timedelta(days=20)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000, now=START)


def use_on(organization: Organization, days_ago: int, amount: int) -> None:
    p.use(p.work(organization, credits=amount), amount, now=f.NOW - timedelta(days=days_ago))


def pace(organization: Organization, *, now: Any = f.NOW) -> Pace:
    reading = services.wallet_as_of(organization, now=now)
    found = pace_of(Organization.objects.get(pk=organization.pk), reading, now=now)
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

        found = pace(organization)

        assert found.average == 2
        assert found.runway == "235 days"

    def test_is_that_of_fewer_days_where_there_are_not_as_many(self) -> None:
        young = f.make_organization(funded=100, now=f.NOW - timedelta(days=2))
        use_on(young, 1, 20)

        assert pace(young).average == 10

    @pytest.mark.parametrize(
        ("used", "now", "runway"),
        [(0, 0, "no use"), (14, 0, "over a year"), (14, 985, "1 day"), (994, 0, "less than a day")],
    )
    def test_says_in_words_how_long_it_lasts(
        self, organization: Organization, used: int, now: int, runway: str
    ) -> None:
        for amount, days_ago in ((used, 5), (now, 0)):
            if amount:
                use_on(organization, days_ago, amount)

        assert pace(organization).runway == runway

    def test_is_a_range_once_there_are_weeks_to_go_by(self) -> None:
        old = f.make_organization(funded=650, now=f.NOW - timedelta(days=40))
        for days_ago in range(1, 36):
            use_on(old, days_ago, 5 if days_ago % 2 else 15)

        found = pace(old).runway

        first, last = (int(word) for word in found.removesuffix(" days").split(" to "))
        assert 20 <= first < 30 < last <= 45

    def test_says_that_nothing_is_left(self, organization: Organization) -> None:
        use_on(organization, 1, 1_000)

        assert pace(organization).runway == "nothing left"

    def test_says_when_the_cap_is_reached_if_that_is_before_it_resets(
        self, organization: Organization
    ) -> None:
        use_on(organization, 1, 140)
        f.set_terms(organization, monthly_cap=165)

        assert pace(organization).until_cap == "the cap is reached in 2 days, at 10 a day"

        f.set_terms(organization, monthly_cap=900)
        assert pace(organization).until_cap == ""

    def test_is_nothing_while_much_is_not_added_up(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rollups, "TAIL", 0)
        use_on(organization, 1, 1)
        reading = services.wallet_as_of(organization, now=f.NOW)

        assert pace_of(organization, reading, now=f.NOW) is None
        page = reverse("admin:organizations_organization_change", args=[organization.pk])
        seen = staff_who_may("organizations.view_organization").get(page).content.decode()
        assert "the latest work is not added up yet" in seen


class TestRefused:
    def test_counts_each_time_by_reason(self, organization: Organization) -> None:
        for _ in range(2):
            refuse(organization, 1_001)
        f.set_terms(organization, monthly_cap=Decimal(1))
        refuse(organization, 2)

        found = refused(organization, now=f.NOW)

        assert found == (3, [("balance", 2), ("cap", 1)])
