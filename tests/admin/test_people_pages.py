"""The page of a person and of a group: their heads, switching somebody off and on, and a shared budget made in one form."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import Actor, Group, Organization
from tests import factories as f
from tests.admin.browser import fill_in_page
from tests.admin.people import fill_in, page_of, send, staff_who_may, use
from tests.admin.test_pages import queries_of
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from usage.models import Limit
from usage.services import groups

pytestmark = pytest.mark.django_db(transaction=True)

LOOK = ("organizations.view_actor", "organizations.view_organization")


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000, allowance_per_user=30)


@pytest.fixture
def ada(organization: Organization) -> Actor:
    ada = p.make_actor(organization, "Ada")
    p.make_group(organization, "acme", ada, kind="entity")
    p.limit(organization, 500, "actor", actor=ada)
    p.use(p.work(organization, 90, actor=ada), 90)
    p.hold(p.work(organization, 40, actor=ada))
    f.make_key(organization, actor=ada, name="Ada's")
    return ada


def page(row: Actor | Group) -> str:
    return reverse(f"admin:organizations_{row._meta.model_name}_change", args=[row.pk])


def html(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


class TestPerson:
    def test_has_the_limit_the_keys_the_holds_and_the_last_refusals(
        self, ana: Client, ada: Actor
    ) -> None:
        refuse(ada.organization, 9_000, actor=ada)

        seen = html(ana.get(page(ada)))

        assert "90 used of 500" in seen
        assert "40 credits held" in seen
        assert "Ada&#x27;s" in seen
        assert '<span class="pill pill-bad" title="actor_cap">personal limit</span>' in seen
        assert f'data-copy="{ada.public_id}"' in seen

    def test_shows_what_one_may_see_and_do(self, ada: Actor) -> None:
        client = staff_who_may(*LOOK)

        answer = client.get(page(ada))

        head = answer.context["head_of"]
        assert (head.keys, head.held, head.denials) == (None, None, None)
        assert (list(head.buttons), list(head.dangerous)) == ([], [])
        assert "Ada's" not in html(answer)

    def test_asks_as_often_for_many_rows_as_for_few(self, ana: Client, ada: Actor) -> None:
        few = len(queries_of(ana, page(ada)))
        for number in range(4):
            f.make_key(ada.organization, actor=ada, name=f"Key {number}")
            p.use(p.work(ada.organization, 1, actor=ada), 1)
            refuse(ada.organization, 9_000 + number, actor=ada)

        assert len(queries_of(ana, page(ada))) == few

    def test_offers_the_one_that_fits(self, ana: Client, ada: Actor) -> None:
        def offered() -> set[str]:
            head = ana.get(page(ada)).context["head_of"]
            return {button.action.slug for button in (*head.buttons, *head.dangerous)}

        assert {"set-limit", "forgive", "switch-off", "erase-person"} <= offered()
        assert "switch-on" not in offered()

        use(ana, "switch-off", ada.organization, actor=str(ada.pk))

        assert "switch-on" in offered()
        assert "switch-off" not in offered()


class TestSwitchOff:
    def test_says_what_stops_what_goes_on_and_what_stays(self, ana: Client, ada: Actor) -> None:
        owner = ada.organization
        data = fill_in(ana, "switch-off", owner, actor=str(ada.pk))

        preview = send(ana, "switch-off", owner, data, step="preview")

        effects = {e.what: (e.before, e.after) for e in preview.context["effects"]}
        assert effects == {
            "May spend": ("yes", "no"),
            "Personal keys that open something": ("1", "0"),
            "Open holds, which may still settle": ("1, 40 credits", "1, 40 credits"),
            "Limit of a calendar month": ("500", "500"),
            "Used of it": ("90", "90"),
            "Groups": ("Acme", "Acme"),
            "Active users": ("1", "0"),
            "Seats that the term has brought": ("1", "1"),
            "Share of the allowance of each": ("30", "30"),
        }
        assert "Switch off Ada</button>" in html(preview)

    def test_is_done_by_the_service_and_leads_back(self, ana: Client, ada: Actor) -> None:
        answer = use(ana, "switch-off", ada.organization, actor=str(ada.pk))

        ada.refresh_from_db()
        assert not ada.active
        assert answer.headers["location"] == page(ada)
        assert ada.history.latest().history_change_reason == "staff:ana"

    def test_is_taken_back_by_switching_on(self, ana: Client, ada: Actor) -> None:
        use(ana, "switch-off", ada.organization, actor=str(ada.pk))
        use(ana, "switch-on", ada.organization, actor=str(ada.pk))

        ada.refresh_from_db()
        assert ada.active

    def test_is_of_ones_own_people_only(self, ana: Client, ada: Actor) -> None:
        other = f.make_organization("Other")
        data = {**fill_in(ana, "switch-off", other), "actor": str(ada.pk)}

        answer = send(ana, "switch-off", other, data)

        assert "actor" in answer.context["form"].errors
        ada.refresh_from_db()
        assert ada.active

    def test_needs_the_right_to_change_people(self, ada: Actor) -> None:
        url = reverse("admin:organizations_organization_switch-off", args=[ada.organization_id])

        assert staff_who_may(*LOOK).get(url).status_code == 403


def new_group(organization: Organization, query: str = "&kind=entity") -> str:
    return reverse("admin:organizations_group_add") + f"?organization={organization.pk}{query}"


class TestSharedBudget:
    def test_is_made_with_its_people_and_its_limit_in_one_form(
        self, ana: Client, ada: Actor
    ) -> None:
        owner = ada.organization
        bob = p.make_actor(owner, "Bob")
        url = new_group(owner)
        sent = fill_in_page(ana, url, name="Lab", key="lab", people=[str(bob.pk)], cap="250")

        done = ana.post(url, sent, follow=True)

        assert done.status_code == 200
        group = Group.objects.get(key="lab")
        assert (group.kind, group.organization) == ("entity", owner)
        assert list(group.members.all()) == [bob]
        assert Limit.objects.get(group=group).cap == 250

    @pytest.mark.parametrize(("cap", "caps"), [("", []), ("0", [0])])
    def test_of_an_empty_field_has_none_and_of_zero_nothing(
        self, ana: Client, organization: Organization, cap: str, caps: list[int]
    ) -> None:
        url = new_group(organization)

        ana.post(url, fill_in_page(ana, url, name="Lab", key="lab", cap=cap))

        assert Group.objects.filter(key="lab").exists()
        assert list(Limit.objects.values_list("cap", flat=True)) == caps

    @pytest.mark.parametrize(
        ("query", "kind"), [("", "entity"), ("&kind=entity", "entity"), ("&kind=team", "team")]
    )
    def test_is_what_a_new_group_is_unless_said_otherwise(
        self, ana: Client, organization: Organization, query: str, kind: str
    ) -> None:
        assert fill_in_page(ana, new_group(organization, query))["kind"] == [kind]

    def test_has_no_limit_from_who_may_not_set_one(self, organization: Organization) -> None:
        client = staff_who_may("organizations.add_group", "organizations.view_group")
        url = new_group(organization)
        sent = fill_in_page(client, url, name="Lab", key="lab")
        assert "cap" not in sent

        client.post(url, {**sent, "cap": "5"})

        assert Group.objects.filter(key="lab").exists()
        assert not Limit.objects.exists()

    def test_is_offered_on_the_page_of_the_organization(
        self, ana: Client, organization: Organization
    ) -> None:
        seen = html(ana.get(page_of(organization, "people")))

        assert new_group(organization).replace("&", "&amp;") in seen

    def test_shows_its_bar_and_sets_its_limit(self, ana: Client, ada: Actor) -> None:
        owner = ada.organization
        group = Group.objects.get(key="acme")
        p.limit(owner, 300, "group", group=group)

        seen = html(ana.get(page(group)))
        assert "90 used of 300" in seen
        assert f"set-limit/?whose={group.public_id}&amp;cap=300" in seen

        done = use(ana, "set-limit", owner, whose=group.public_id, cap="80")

        assert done.headers["location"] == page(group)
        assert Limit.objects.get(group=group).cap == 80


class TestChanged:
    def told(self, client: Client, row: Actor | Group) -> list[tuple[Any, ...]]:
        """Return what the page says was changed: what became of what, before and after, why and by whom."""
        happened = client.get(page(row)).context["happened"]
        return [
            (each.label, each.what, list(each.changes), each.why, each.who) for each in happened
        ]

    def test_tells_of_a_person_whose_limit_was_raised_by_whom_and_why(
        self, ana: Client, ada: Actor
    ) -> None:
        use(ana, "set-limit", ada.organization, whose=ada.public_id, cap="800", reason="a fair")

        told = self.told(ana, ada)

        assert ("changed", "Limit", [("Cap", "500", "800")], "a fair", "staff:ana") in told
        assert ("made", "Limit", [("Cap", "", "500")]) in [row[:3] for row in told]
        seen = html(ana.get(page(ada)))
        assert '<span class="before">500</span> → <span class="after">800</span>' in seen
        assert "?tab=history&amp;only=rules" in seen

    def test_tells_of_warnings_groups_keys_and_of_the_person(self, ana: Client, ada: Actor) -> None:
        p.budget_warning(ada.organization, actor=ada, budget=10)
        use(ana, "switch-off", ada.organization, actor=str(ada.pk), reason="left")

        told = {row[:2] for row in self.told(ana, ada)}

        assert ("changed", "Person") in told
        assert {
            ("made", "Budget warning"),
            ("joined", "Member of Acme"),
            ("made", "Key Ada's"),
        } < told

    def test_tells_of_a_group_who_joined_and_its_limit(self, ana: Client, ada: Actor) -> None:
        group = Group.objects.get(key="acme")
        use(ana, "set-limit", ada.organization, whose=group.public_id, cap="80", reason="less")
        groups.set_members(group=group, members=[], performed_by="staff:eve")

        told = self.told(ana, group)

        assert ("left", "Member Ada", [], "", "staff:eve") in told
        assert ("made", "Limit", [("Cap", "", "80")], "less", "staff:ana") in told

    def test_tells_nothing_of_others(self, ana: Client, ada: Actor) -> None:
        bob = p.make_actor(ada.organization, "Bob")

        assert [row[:2] for row in self.told(ana, bob)] == [("made", "Person")]

    def test_tells_what_one_may_see_elsewhere(self, ada: Actor) -> None:
        client = staff_who_may("organizations.view_actor")

        assert {row[1] for row in self.told(client, ada)} == {"Person"}
        assert "tab=history" not in html(client.get(page(ada)))
