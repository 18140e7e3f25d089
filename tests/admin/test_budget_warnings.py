"""Budget warnings in the admin: whose they are, what their form refuses, and the pages that show them."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations.models import Actor, BudgetWarning
from tests import factories as f
from tests.admin.browser import CONFIRMED, fill_in_page
from tests.admin.people import page_of
from tests.usage import people as p

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "admin:organizations_budgetwarning"


@pytest.fixture
def ada() -> Actor:
    return p.make_actor(f.make_organization(funded=1_000), "Ada")


def add(client: Client, somebody: Actor, /, **fields: Any) -> Any:
    """Add a warning in the organization of somebody."""
    url = f"{reverse(f'{PAGE}_add')}?organization={somebody.organization_id}"
    return client.post(url, fill_in_page(client, url) | fields | CONFIRMED)


def errors(answer: Any) -> set[str]:
    return set(answer.context["adminform"].form.errors)


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


class TestAdding:
    def test_keeps_whose_how_much_and_why(self, ana: Client, ada: Actor) -> None:
        add(ana, ada, actor=str(ada.pk), budget="1,000", percents="100, 80, 80")

        warning = BudgetWarning.objects.get()
        assert (warning.organization, warning.actor) == (ada.organization, ada)
        assert warning.budget == 1_000
        assert warning.percents == [80, 100]
        kept = BudgetWarning.history.get()
        assert (kept.history_change_reason, bool(kept.history_why)) == ("staff:ana", True)

    @pytest.mark.parametrize(
        ("percents", "field"),
        [
            ("", "percents"),
            ("0", "percents"),
            ("1001", "percents"),
            ("1,2,3,4,5,6", "percents"),
            ("x", "percents"),
            ("120", "percents"),
        ],
    )
    def test_refuses_percentages_that_make_no_sense(
        self, ana: Client, ada: Actor, percents: str, field: str
    ) -> None:
        assert field in errors(add(ana, ada, actor=str(ada.pk), percents=percents))
        assert not BudgetWarning.objects.exists()

    def test_refuses_two_subjects_and_a_team_without_a_budget(
        self, ana: Client, ada: Actor
    ) -> None:
        team = p.make_group(ada.organization, "atlas", ada)
        both = {"actor": str(ada.pk), "group": str(team.pk)}

        assert "group" in errors(add(ana, ada, **both, percents="80"))
        assert "budget" in errors(add(ana, ada, group=str(team.pk), percents="80"))

    def test_refuses_a_second_of_the_same(self, ana: Client, ada: Actor) -> None:
        p.budget_warning(ada.organization, actor=ada)
        p.budget_warning(ada.organization)

        assert "actor" in errors(add(ana, ada, actor=str(ada.pk), percents="80"))
        assert "budget" in errors(add(ana, ada, percents="80"))

    def test_offers_nobody_of_another_organization(self, ana: Client, ada: Actor) -> None:
        stranger = p.make_actor(f.make_organization("Other"), "Stranger")

        assert "actor" in errors(add(ana, ada, actor=str(stranger.pk), percents="80"))


class TestChanging:
    def test_shows_what_it_means_today_first(self, ana: Client, ada: Actor) -> None:
        warning = p.budget_warning(ada.organization, actor=ada, budget=100)
        p.use(p.work(ada.organization, 60, actor=ada), 60, now=f.NOW)
        url = reverse(f"{PAGE}_change", args=[warning.pk])

        shown = ana.post(url, fill_in_page(ana, url, percents="50", step=None, reason=None))

        assert "80, 100 %" in html(shown)
        assert "50 %" in html(shown)
        warning.refresh_from_db()
        assert warning.percents == [80, 100]


class TestPages:
    def test_of_whom_it_is_about_show_it(self, ana: Client, ada: Actor) -> None:
        person = reverse("admin:organizations_actor_change", args=[ada.pk])
        assert "Warn before the limit" in html(ana.get(person))
        p.budget_warning(ada.organization, actor=ada, budget=100)

        shown = html(ana.get(person))

        assert "Warn before the limit" not in shown
        assert "80, 100 %" in shown

    @pytest.mark.parametrize("kind", ["team", "entity"])
    def test_of_a_group_show_it(self, ana: Client, ada: Actor, kind: str) -> None:
        group = p.make_group(ada.organization, "atlas", ada, kind=kind)
        p.budget_warning(ada.organization, group=group, budget=100)

        shown = html(ana.get(reverse("admin:organizations_group_change", args=[group.pk])))

        assert "80, 100 %" in shown

    def test_of_the_organization_show_all_in_as_many_statements(
        self, ana: Client, ada: Actor
    ) -> None:
        own = ada.organization
        p.budget_warning(own, budget=500)
        p.budget_warning(own, actor=ada)
        page = page_of(own, "people")
        ana.get(page)
        with CaptureQueriesContext(connection) as few:
            ana.get(page)
        for name in ("Ben", "Eve", "Joe"):
            p.budget_warning(own, actor=p.make_actor(own, name), budget=10)

        with CaptureQueriesContext(connection) as many:
            shown = html(ana.get(page))

        assert "All of it" in shown
        assert all(name in shown for name in ("Ada", "Ben", "Eve", "Joe"))
        assert len(many) == len(few)
