"""Saved views of lists, and the buttons in their rows."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.models import Grant, Reservation
from organizations.models import Actor, ApiKey, Organization, SavedView
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.admin.test_pages import list_of
from tests.usage import people as p
from usage.models import Denial

pytestmark = pytest.mark.django_db(transaction=True)

LOOKS = "organizations.view_organization"
SHARES = "organizations.share_view"


def save(client: Client, model: type[Model] = Organization, **fields: Any) -> Any:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_views")
    return client.post(url, {"name": "Suspended", "query": "status__exact=suspended", **fields})


def delete(client: Client, view: SavedView, model: type[Model] = Organization) -> Any:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_view"
    return client.post(reverse(name, args=[view.pk]))


def shown(client: Client, **query: str) -> dict[str, bool]:
    views = client.get(list_of(Organization), query).context["cl"].views()
    return {view.name: view.is_on for view in views}


class TestSavedViews:
    def test_stand_above_their_list_and_lead_to_what_it_showed(self, ana: Client) -> None:
        answer = save(ana)

        assert answer["Location"] == f"{list_of(Organization)}?status__exact=suspended"
        assert shown(ana) == {"Suspended": False}
        assert shown(ana, status__exact="suspended") == {"Suspended": True}
        html = ana.get(list_of(Organization)).content.decode()
        assert 'href="?status__exact=suspended"' in html
        assert "Suspended" not in ana.get(list_of(Actor)).content.decode()

    def test_keep_no_place_in_the_list(self, ana: Client) -> None:
        save(ana, query="?q=x&p=7&older-than=1&newer-than=2&e=1&o=-1&level=")

        assert SavedView.objects.get().query in ("q=x&o=-1", "o=-1&q=x")

    def test_are_replaced_under_their_name(self, ana: Client) -> None:
        save(ana)
        save(ana, query="status__exact=archived")

        assert SavedView.objects.get().query == "status__exact=archived"

    def test_are_their_owner_s_unless_shared(self, ana: Client) -> None:
        save(ana)
        save(ana, name="For all", shared="on")
        ben = staff_who_may(LOOKS)

        assert shown(ben) == {"For all": False}
        own, shared = SavedView.objects.get(name="Suspended"), SavedView.objects.get(name="For all")
        assert delete(ben, own).status_code == 404
        assert delete(ben, shared).status_code == 403
        assert SavedView.objects.count() == 2

        delete(ana, own)
        delete(staff_who_may(LOOKS, SHARES, name="eve"), shared)
        assert not SavedView.objects.exists()

    def test_are_shared_by_who_may(self) -> None:
        ben = staff_who_may(LOOKS)

        assert save(ben, shared="on").status_code == 403
        assert save(ben).status_code == 302
        assert 'name="shared"' not in ben.get(list_of(Organization), {"q": "x"}).content.decode()

    def test_are_of_lists_that_one_may_see(self) -> None:
        ben = staff_who_may(LOOKS)

        assert save(ben, Actor).status_code == 403
        assert ben.get(reverse("admin:organizations_organization_views")).status_code == 403

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"name": " "}, "Its name: This field is required."),
            ({"name": "x" * 61}, "Its name: Ensure this value has at most 60 characters"),
            ({"name": "a\u200bb"}, "Its name: It has characters that nobody sees."),
            ({"query": "q=" + "x" * 2_000}, "Its query: Ensure"),
        ],
    )
    def test_say_what_is_wrong(self, ana: Client, fields: dict[str, Any], said: str) -> None:
        save(ana, **fields)

        assert said in ana.get(list_of(Organization)).content.decode()
        assert not SavedView.objects.exists()

    def test_are_no_more_than_so_many(self, ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("organizations.admin.saved_views.MOST", 1)
        save(ana)
        save(ana, name="Another")

        assert SavedView.objects.count() == 1

    def test_of_a_filter_that_is_none_open_the_list(self, ana: Client) -> None:
        save(ana, query="nothing__exact=1")

        url = f"{list_of(Organization)}?{SavedView.objects.get().query}"
        assert ana.get(url, follow=True).status_code in (200, 400)


class TestRowButtons:
    def buttons(self, client: Client, model: type[Model]) -> str:
        html = client.get(list_of(model)).content.decode()
        return " ".join(part.split(">")[0] for part in html.split('class="row-act"')[1:])

    def test_lead_to_the_forms_of_what_is_done_most(self, ana: Client) -> None:
        organization = f.make_organization(funded=100)
        ada = p.make_actor(organization, "Ada")
        hold = p.hold(p.work(organization, credits=3, actor=ada))
        f.make_key(organization)

        for model, slugs in (
            (Organization, ("grant", "set-cap")),
            (Actor, ("set-limit", "switch-off")),
            (ApiKey, ("rotate-key", "revoke-key")),
            (Reservation, ("release-holds",)),
            (Grant, ("void-grant",)),
        ):
            for slug in slugs:
                assert f"/{slug}/" in self.buttons(ana, model), slug
        assert f"holds={hold.pk}" in self.buttons(ana, Reservation)
        assert self.buttons(ana, Denial) == ""

    def test_are_not_there_for_who_may_not(self) -> None:
        f.make_organization()

        assert self.buttons(staff_who_may(LOOKS), Organization) == ""
        granting = staff_who_may(LOOKS, "credits.grant", name="eve")
        assert "/grant/" in self.buttons(granting, Organization)
        assert "/set-cap/" not in self.buttons(granting, Organization)

    def test_are_not_there_where_nothing_is_to_be_done(self, ana: Client) -> None:
        f.archive(f.make_organization())

        assert self.buttons(ana, Organization) == ""

    def test_ask_no_more_for_more_rows(self, ana: Client) -> None:
        def queries() -> list[int]:
            found = []
            for model in (Organization, Actor, ApiKey, Reservation, Grant):
                with CaptureQueriesContext(connection) as seen:
                    ana.get(list_of(model))
                found.append(len(seen))
            return found

        def a_customer(name: str) -> None:
            organization = f.make_organization(name, funded=100)
            p.hold(p.work(organization, credits=3, actor=p.make_actor(organization, "Ada")))
            f.make_key(organization)

        a_customer("First")
        ana.get(list_of(Organization))
        few = queries()
        for number in range(4):
            a_customer(f"Another {number}")
        assert queries() == few
