"""When a person, or those who share a budget, reach their limit."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from organizations.models import Actor, Group, Organization
from tests import factories as f
from tests.usage import people as p
from tests.usage.test_outlook import DAY, KNOWN, START
from usage.services import rollups
from usage.services.limit_forecasts import LimitOutlook, limit_of

pytestmark = pytest.mark.django_db(transaction=True)

USED = 90
"""What who uses 10 a day has used of May by the tenth."""


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=100_000, now=START)


def person(organization: Organization, name: str = "Ada", a_day: int = 10) -> Actor:
    """Return somebody who used so much on each of the last twenty days."""
    actor = p.make_actor(organization, name, now=START)
    for back in range(KNOWN - 1, 0, -1):
        p.use(p.work(organization, a_day, actor=actor), a_day, now=f.NOW - back * DAY)
    return actor


def of(whose: Actor | Group) -> LimitOutlook:
    fresh = type(whose).objects.select_related("organization").get(pk=whose.pk)
    return limit_of(fresh, now=f.NOW)


def days_of(outlook: LimitOutlook) -> float:
    assert outlook.limit is not None
    assert outlook.limit.likely is not None
    return (outlook.limit.likely - f.NOW) / DAY


class TestOfAPerson:
    def test_is_a_range_from_what_they_used(self, organization: Organization) -> None:
        ada = person(organization)
        p.limit(organization, USED + 50, "actor", actor=ada)

        found = of(ada)

        assert found.whole_days == 20
        assert found.a_day == 10
        assert 4 < days_of(found) < 6
        assert found.resets_at == f.at("2026-06-01")
        assert found.limit is not None
        assert found.limit.words.startswith("The limit is reached in ")
        assert found.limit.words.endswith("It resets on 1 June 2026.")

    def test_goes_by_their_use_alone_and_by_what_is_not_added_up_yet(
        self, organization: Organization
    ) -> None:
        person(organization, "Ben", a_day=200)
        ada = person(organization)
        p.limit(organization, USED + 50, "actor", actor=ada)
        before = of(ada)

        while rollups.roll_up(organization=organization, now=f.NOW):
            pass

        assert of(ada) == before

    def test_counts_what_is_held_of_it(self, organization: Organization) -> None:
        ada = person(organization)
        p.limit(organization, USED + 50, "actor", actor=ada)

        p.hold(p.work(organization, 30, actor=ada))

        assert 1 < days_of(of(ada)) < 3

    def test_knows_that_a_month_begins_anew(self, organization: Organization) -> None:
        ada = person(organization)
        p.limit(organization, 700, "actor", actor=ada)

        found = of(ada).limit

        assert found is not None
        assert found.state == "not_within"

    def test_is_reached_where_nothing_is_left(self, organization: Organization) -> None:
        ada = person(organization)
        p.limit(organization, USED, "actor", actor=ada)

        found = of(ada).limit

        assert found is not None
        assert (found.state, found.short) == ("reached", "now")

    def test_is_none_without_a_limit(self, organization: Organization) -> None:
        ada = person(organization)
        p.limit(organization, None, "actor", actor=ada)

        assert of(ada).limit is None

    def test_says_that_who_is_switched_off_spends_nothing(self, organization: Organization) -> None:
        ada = person(organization)
        p.limit(organization, USED + 50, "actor", actor=ada)
        Actor.objects.update(active=False)

        found = of(ada).limit

        assert found is not None
        assert found.words == "Nothing is spent while it is switched off."

    def test_reads_no_more_of_who_did_much(self, organization: Organization) -> None:
        ada, ben = person(organization), p.make_actor(organization, "Ben")
        for actor in (ada, ben):
            p.limit(organization, 1_000, "actor", actor=actor)

        assert statements(ada) == statements(ben) <= 12


def statements(actor: Actor) -> int:
    fresh = Actor.objects.select_related("organization").get(pk=actor.pk)
    with CaptureQueriesContext(connection) as captured:
        limit_of(fresh, now=f.NOW)
    return len(captured)


class TestOfAGroup:
    def test_is_when_a_shared_budget_is_used_up(self, organization: Organization) -> None:
        group = p.make_group(organization, "sales", kind="entity")
        Group.objects.update(created_at=START)
        for back in range(KNOWN - 1, 0, -1):
            now = f.NOW - back * DAY
            p.use(p.work(organization, 10, group=group), 10, now=now)
            p.use(p.work(organization, 30), 30, now=now + timedelta(minutes=1))
        p.limit(organization, USED + 50, "group", group=group)

        found = of(group)

        assert found.whole_days == 20
        assert found.a_day == 10
        assert 4 < days_of(found) < 6

    def test_is_none_of_a_team(self, organization: Organization) -> None:
        ada = person(organization)
        team = p.make_group(organization, "art", ada)
        p.limit(organization, USED + 50, "group", group=team)

        assert of(team).limit is None
        assert 4 < days_of(of(ada)) < 6, "each member has it"
