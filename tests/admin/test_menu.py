"""The menu: nine rooms, every list in one of them or among the records, and what waits beside it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from config.menu import RECORDS, ROOMS, Page
from organizations.models import Failure, Proposal
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.admin.test_refusals import refuse
from tests.usage.noticed import forget_the_calendar, look
from usage.models import Denial

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [*(page for room in ROOMS for page in room.pages), *RECORDS]
ELSEWHERE = {
    # What belongs to a login is reached from it.
    "otp_totp.totpdevice",
    "otp_static.staticdevice",
    "axes.accessattempt",
}


def menu(client: Client) -> dict[str, Any]:
    """Return the lines of the menu that somebody sees, by their titles."""
    groups = client.get(reverse("admin:index")).context["sidebar_navigation"]
    return {line["title"]: line for group in groups for line in group["items"]}


def test_has_nine_rooms() -> None:
    assert ["Home", *(room.title for room in ROOMS)] == [
        *("Home", "Organizations", "People", "Refusals", "Movements"),
        *("Usage", "Prices", "Operations", "Settings"),
    ]


def test_leads_to_every_list_from_one_place() -> None:
    listed = [f"{page.app}.{page.model}" for page in PAGES]
    there = {model._meta.label_lower for model in admin.site._registry}

    assert len(listed) == len(set(listed))
    assert there - ELSEWHERE == set(listed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_shows_the_lists_of_a_room_as_tabs(page: Page) -> None:
    room = next((room for room in ROOMS if page in room.pages), None)
    client = staff_who_may(*(f"{page.app}.view_{page.model}" for page in PAGES))

    html = client.get(page.path).content.decode()

    for other in room.pages if room and len(room.pages) > 1 else ():
        assert f'href="{other.path}"' in html


def test_shows_only_the_rooms_that_somebody_may_enter() -> None:
    seen = menu(staff_who_may("usage.view_limit"))

    assert list(seen) == ["Home", "People"]
    assert seen["People"]["link"] == reverse("admin:usage_limit_changelist")


def test_marks_the_room_that_one_is_in() -> None:
    client = staff_who_may("usage.view_limit", "organizations.view_actor", "usage.view_denial")

    groups = client.get(reverse("admin:usage_limit_changelist")).context["sidebar_navigation"]

    active = {line["title"]: line["active"] for group in groups for line in group["items"]}
    assert active == {"Home": False, "People": True, "Refusals": False}


class TestBadges:
    def test_are_absent_where_nothing_waits(self) -> None:
        lines = menu(staff_who_may("usage.view_denial", "organizations.view_job"))

        assert "badge" not in lines["Refusals"]
        assert "badge" not in lines["Operations"]

    def test_count_refusals_of_a_day(self) -> None:
        organization = f.make_organization()
        refuse(organization, 1)
        old = refuse(organization, 1)
        Denial.objects.filter(pk=old.pk).update(created_at=f.NOW - timedelta(days=1, minutes=1))
        f.set_terms(organization, monthly_cap=0)
        refuse(organization, 1)

        line = menu(staff_who_may("usage.view_denial"))["Refusals"]
        assert (line["badge"], line["badge_variant"]) == ("1", "info")

    def test_count_what_is_left_to_staff(self) -> None:
        organization = f.make_organization()
        for kind, next_try_at in (("renew", None), ("lapse", f.NOW)):
            Failure.objects.create(
                kind=kind,
                organization=organization,
                error="no",
                first_failed_at=f.NOW,
                last_failed_at=f.NOW,
                next_try_at=next_try_at,
            )

        line = menu(staff_who_may("organizations.view_job"))["Operations"]
        assert (line["badge"], line["badge_variant"]) == ("1", "danger")

    @pytest.mark.parametrize(("used", "tone"), [(80, "info"), (100, "danger")])
    def test_are_red_only_where_an_alert_is_critical(self, used: int, tone: str) -> None:
        forget_the_calendar()
        f.spend(f.make_organization(funded=1_000, monthly_cap=100), used)

        look()

        line = menu(staff_who_may("organizations.view_alert"))["Operations"]
        assert (line["badge"], line["badge_variant"]) == ("1", tone)

    def test_count_what_others_proposed_and_one_may_decide(self) -> None:
        organization = f.make_organization()
        for proposed_by in ("ben", "eve"):
            Proposal.objects.create(
                organization=organization,
                action="grant",
                payload={},
                digest="d",
                amount=5,
                reason="a present",
                proposed_by=proposed_by,
                proposed_at=f.NOW,
                expires_at=f.NOW + timedelta(days=1),
            )

        who = ("organizations.approve", "credits.grant", "credits.grant_more")
        assert menu(staff_who_may(*who))["Movements"]["badge"] == "1"
        assert "badge" not in menu(staff_who_may("credits.grant", name="cy"))["Movements"]


@pytest.mark.parametrize(("name", "tone"), [("staging", "info"), ("Production EU", "danger")])
def test_says_which_installation_this_is(settings: Any, name: str, tone: str) -> None:
    settings.ENVIRONMENT_NAME = name

    answer = staff_who_may("usage.view_denial").get(reverse("admin:index"))

    assert name in answer.content.decode()
    assert answer.context["environment"] == (name, tone)
