"""Creating organizations in the admin: with a parent and without, once for one form."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from organizations.models import Organization
from tests.admin.people import page_of, staff_who_may
from tests.factories import amounts, make_family, make_organization, suspend, wallet_of

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/organizations/organization/add/"


def fill_in(client: Client, *, parent: Organization | None = None, **fields: Any) -> dict[str, Any]:
    form = client.get(URL, {"parent": str(parent.id)} if parent else {}).context["form"]
    shown = {field.name: field.value() for field in form if field.value() is not None}
    return {**shown, "name": "Fresh", "term": "month", **fields}


class TestCreate:
    def test_makes_an_organization_with_its_terms(self, ana: Client) -> None:
        data = fill_in(ana, allowance="500", monthly_cap="0", anchored_on="2026-05-05")
        data |= {"first_term_full": "on"}

        answer = ana.post(URL, data)

        made = Organization.objects.get()
        assert answer.headers["location"] == page_of(made)
        wallet = wallet_of(made)
        assert (wallet.balance, wallet.config.monthly_cap) == amounts(500, 0)
        assert str(wallet.config.anchored_on) == "2026-05-05"

    def test_brings_the_part_of_its_first_days_unless_that_is_to_be_whole(
        self, ana: Client
    ) -> None:
        ana.post(URL, fill_in(ana, allowance="310", anchored_on="2026-05-01"))

        assert wallet_of(Organization.objects.get()).balance == 220

    def test_gives_it_an_external_id_that_nobody_beside_it_has(self, ana: Client) -> None:
        ana.post(URL, fill_in(ana, external_id="acme-7"))

        again = ana.post(URL, fill_in(ana, external_id="acme-7"))
        inexact = ana.post(URL, fill_in(ana, external_id="acme-8 "))

        assert [made.external_id for made in Organization.objects.all()] == ["acme-7"]
        for answer in (again, inexact):
            assert list(answer.context["form"].errors) == ["external_id"]

    def test_makes_a_child(self, ana: Client) -> None:
        parent = make_organization("Parent")

        ana.post(URL, fill_in(ana, parent=parent))

        assert Organization.objects.get(name="Fresh").parent == parent

    def test_happens_once_when_sent_twice(self, ana: Client) -> None:
        data = fill_in(ana, allowance="500")

        answers = [ana.post(URL, data) for _ in range(2)]

        assert len({answer.headers["location"] for answer in answers}) == 1
        assert Organization.objects.count() == 1

    def test_gives_an_id_that_sorts_by_age(self, ana: Client) -> None:
        data = fill_in(ana, once=str(uuid4()))

        answer = ana.post(URL, data)

        assert list(answer.context["form"].errors) == ["once"]

    def test_refuses_a_grandchild(self, ana: Client) -> None:
        _, child = make_family()

        answer = ana.post(URL, fill_in(ana, parent=child))

        assert list(answer.context["form"].errors) == ["parent"]
        assert not Organization.objects.filter(name="Fresh").exists()

    def test_says_that_the_parent_is_suspended(self, ana: Client) -> None:
        parent = make_organization("Parent")
        suspend(parent)

        answer = ana.post(URL, fill_in(ana, parent=parent))

        assert "is suspended" in answer.context["form"].errors["__all__"][0]

    def test_survives_a_parent_that_is_none(self, ana: Client) -> None:
        assert ana.get(URL, {"parent": "x"}).status_code == 200

    def test_is_in_the_history(self, ana: Client) -> None:
        ana.post(URL, fill_in(ana))

        entry = LogEntry.objects.get()
        assert entry.is_addition()
        assert entry.object_id == str(Organization.objects.get().id)

    def test_needs_its_permission(self) -> None:
        client = staff_who_may("organizations.view_organization")

        assert client.get(URL).status_code == 403
        assert client.post(URL, {"name": "x"}).status_code == 403
        assert reverse("admin:organizations_organization_add") == URL
