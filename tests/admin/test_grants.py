"""Grants in the admin: named, begun later, cancelled, voided; their states, and who may do what."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from credits.models import Grant, PendingGrant
from tests import factories as f
from tests.admin.people import fill_in, send, staff_who_may, url_of, use
from tests.admin.test_actions import effects, errors

pytestmark = pytest.mark.django_db(transaction=True)
GRANTS = reverse("admin:credits_grant_changelist")
PENDING = reverse("admin:credits_pendinggrant_changelist")


@pytest.fixture(autouse=True)
def _stopped_clock() -> object:
    with time_machine.travel(f.NOW, tick=False) as traveller:
        yield traveller


def page_of(grant: Grant | PendingGrant) -> str:
    name = f"admin:credits_{type(grant).__name__.lower()}_change"
    return reverse(name, args=[grant.pk])


class TestGrant:
    def test_has_a_name_and_a_category(self, ana: Client) -> None:
        organization = f.make_organization()

        use(ana, "grant", organization, amount="5", name="Spring", category="goodwill")

        (grant,) = f.grants_of(organization)
        assert (grant.name, grant.category) == ("Spring", "goodwill")
        listed = ana.get(GRANTS).content.decode()
        assert "Spring" in listed
        assert "goodwill" in listed.lower()

    def test_that_begins_later_is_to_come(self, ana: Client) -> None:
        organization = f.make_organization()
        start = {"effective_at_0": "2026-06-01", "effective_at_1": "00:00"}
        data = fill_in(ana, "grant", organization, amount="5", **start)

        page = send(ana, "grant", organization, data, step="preview")
        send(ana, "grant", organization, data)
        send(ana, "grant", organization, data)

        assert effects(page) == {(organization.name, "To come"): ("0", "5")}
        pending = PendingGrant.objects.get()
        assert (pending.effective_at, pending.performed_by) == (f.at("2026-06-01"), "staff:ana")
        assert f.entries_of(organization) == []
        assert "pending" in ana.get(PENDING, {"state": "pending"}).content.decode()

    def test_cannot_have_begun(self, ana: Client) -> None:
        organization = f.make_organization()
        start = {"effective_at_0": "2026-05-01", "effective_at_1": "00:00"}
        data = fill_in(ana, "grant", organization, amount="5", **start)

        page = send(ana, "grant", organization, data)

        assert list(errors(page)) == ["effective_at"]

    def test_later_counts_as_moved_today(self, ana: Client, settings: object) -> None:
        """Nobody grants alone tomorrow what they may not grant alone today."""
        settings.SECOND_PERSON_ABOVE = 8  # type: ignore[attr-defined]
        organization = f.make_organization()
        start = {"effective_at_0": "2026-06-01", "effective_at_1": "00:00"}

        use(ana, "grant", organization, amount="5", **start)
        use(ana, "grant", organization, amount="5", **start)

        assert PendingGrant.objects.count() == 1


class TestCancel:
    def test_takes_away_what_is_to_come(self, ana: Client) -> None:
        organization = f.make_organization()
        pending = f.schedule(organization, 5, effective_at=f.later(days=1))
        assert url_of("cancel-grant", organization) in ana.get(page_of(pending)).content.decode()

        answer = use(ana, "cancel-grant", organization, grant=str(pending.pk))

        pending.refresh_from_db()
        assert pending.cancelled_by == "staff:ana"
        assert answer.headers["location"] == page_of(pending)
        page = ana.get(page_of(pending)).content.decode()
        assert url_of("cancel-grant", organization) not in page


class TestVoid:
    def test_shows_what_it_takes_and_takes_it(self, ana: Client) -> None:
        organization = f.make_organization(funded=10)
        f.spend(organization, 4)
        (grant,) = f.grants_of(organization)
        assert url_of("void-grant", organization) in ana.get(page_of(grant)).content.decode()
        data = fill_in(ana, "void-grant", organization, grant=str(grant.pk))

        page = send(ana, "void-grant", organization, data, step="preview")
        answer = send(ana, "void-grant", organization, data)

        shown = effects(page)
        assert shown["10 of 2026-05-10", "State"] == ("live", "voided")
        assert shown[organization.name, "Balance"] == ("6", "0")
        assert answer.headers["location"] == page_of(grant)
        page = ana.get(page_of(grant)).content.decode()
        assert "voided" in page
        assert url_of("void-grant", organization) not in page

    def test_is_for_who_may(self) -> None:
        organization = f.make_organization(funded=10)
        (grant,) = f.grants_of(organization)
        ben = staff_who_may("credits.view_grant", "credits.adjust")

        assert url_of("void-grant", organization) not in ben.get(page_of(grant)).content.decode()
        assert ben.get(url_of("void-grant", organization)).status_code == 403


@pytest.mark.parametrize(("state", "amounts"), [("live", [4]), ("voided", [3]), ("spent", [1])])
def test_the_list_by_state(ana: Client, state: str, amounts: list[int]) -> None:
    organization = f.make_organization()
    f.grant(organization, 1, priority=1)
    f.spend(organization, 1)
    gone = f.grant(organization, 3)
    f.reverse(gone)
    f.grant(organization, 4)

    listed = ana.get(GRANTS, {"state": state}).context["cl"].result_list

    assert [grant.amount for grant in listed] == amounts
