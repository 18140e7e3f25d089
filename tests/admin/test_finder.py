"""The finder: one field for everything that staff have in hand."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits import services
from credits.models import LedgerEntry
from organizations import ids
from organizations.models import Actor, ApiKey, Group, Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from tests.usage.noticed import forget_the_calendar, look, the_alert
from usage.admin import finder
from usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = (
    "organizations.view_organization",
    "organizations.view_actor",
    "organizations.view_group",
    "organizations.view_apikey",
    "credits.view_ledgerentry",
    "credits.view_grant",
    "credits.view_pendinggrant",
    "credits.view_reservation",
    "usage.view_usageevent",
    "usage.view_denial",
    "organizations.view_alert",
)


def find(client: Client, text: str) -> list[tuple[str, str]]:
    """Return the group and the title of what is found."""
    return [(found.group, found.title) for found in results(client, text)]


def results(client: Client, text: str) -> Any:
    answer = client.get("/admin/search/", {"s": text, "extended": "1"})
    assert answer.status_code == 200
    return answer.context["results"]


@pytest.fixture
def nordwind() -> Organization:
    return f.make_organization("Nordwind Games", funded=100)


@pytest.fixture
def staff() -> Client:
    return staff_who_may(*EVERYTHING)


class TestWords:
    def test_find_an_organization_by_its_external_id(self, staff: Client) -> None:
        f.make_organization("Nordwind", external_id="crm-7718")

        assert find(staff, "crm-77") == [("Organizations", "Nordwind")]

    @pytest.mark.parametrize("text", ["nordwind", "NORD", "games nord", "  Nordwind  Games "])
    def test_find_an_organization_from_their_beginnings(
        self, staff: Client, nordwind: Organization, text: str
    ) -> None:
        f.make_organization("Südwind")

        assert find(staff, text) == [("Organizations", "Nordwind Games")]

    @pytest.mark.parametrize("text", ["wind", "nordwind sea", "'", "\\", "& | !", "':*", "\x00"])
    def test_find_nothing_else(self, staff: Client, nordwind: Organization, text: str) -> None:
        assert find(staff, text) == []

    def test_say_that_nothing_is_found(self, staff: Client) -> None:
        answer = staff.get("/admin/search/", {"s": "<b>nobody", "extended": "1"})

        assert "Nothing found for “&lt;b&gt;nobody”." in answer.content.decode()

    @pytest.mark.parametrize("text", ["ada", "lovelace", "ada@example.com", "crm-17"])
    def test_find_a_person(self, staff: Client, nordwind: Organization, text: str) -> None:
        p.make_actor(nordwind, "Ada Lovelace", email="ada@example.com", external_id="crm-17")

        assert find(staff, text) == [("People", "Ada Lovelace")]

    @pytest.mark.parametrize("text", ["art", "art-dep", "art department"])
    def test_find_a_group(self, staff: Client, nordwind: Organization, text: str) -> None:
        group = p.make_group(nordwind, "art-dept")
        Group.objects.filter(pk=group.pk).update(name="Art Department")

        assert find(staff, text) == [("Groups", "Art Department")]

    def test_find_a_group_by_its_id(self, staff: Client, nordwind: Organization) -> None:
        team = p.make_group(nordwind, "art")
        shared = p.make_group(nordwind, "sales", kind="entity")

        assert find(staff, team.public_id) == [("Groups", "Art")]
        (found,) = results(staff, shared.public_id)
        assert found.note == "Nordwind Games · shared budget · sales"

    def test_of_a_reason_find_the_movement(self, staff: Client, nordwind: Organization) -> None:
        services.adjust(
            organization=nordwind,
            amount=Decimal(5),
            reason="An outage on Monday",
            performed_by=f.STAFF,
            now=f.NOW,
        )
        f.settle(f.reserve(nordwind, 1), 1)

        [found] = results(staff, "outage mon")

        assert found.group == "Movements"
        assert "Nordwind Games" in found.note
        assert "An outage on Monday" in found.note


class TestIds:
    @pytest.mark.parametrize(
        ("group", "row"),
        [
            ("Organizations", Organization.objects.get),
            ("People", Actor.objects.get),
            ("Movements", lambda: LedgerEntry.objects.get(kind="settle")),
            ("Usage", UsageEvent.objects.get),
            ("Keys", ApiKey.objects.get),
        ],
    )
    def test_find_one_row(
        self, staff: Client, nordwind: Organization, group: str, row: Callable[[], Any]
    ) -> None:
        ada = p.make_actor(nordwind)
        f.make_key(nordwind)
        p.use(p.work(nordwind, credits=1, actor=ada), 1)
        public_id: str = row().public_id

        for text in (public_id, f" {public_id.upper()} "):
            assert [found for found, _ in find(staff, text)] == [group]
        assert [found for found, _ in find(staff, public_id.partition("_")[2])] == [group]

    def test_find_a_hold(self, staff: Client, nordwind: Organization) -> None:
        held = f.reserve(nordwind, 7)

        assert find(staff, held.public_id) == [("Holds", "7 held")]

    def test_find_a_grant_with_what_became_of_it(
        self, staff: Client, nordwind: Organization
    ) -> None:
        (grant,) = f.grants_of(nordwind)
        f.spend(nordwind, 40)

        (found,) = results(staff, grant.public_id)

        assert (found.group, found.title) == ("Grants", "100 granted")
        assert found.note == "Nordwind Games · live · 60 left"

    def test_find_a_grant_that_is_to_come_and_once_it_began(
        self, staff: Client, nordwind: Organization
    ) -> None:
        pending = f.schedule(nordwind, 5, effective_at=f.later(days=3))

        (found,) = results(staff, pending.public_id)
        assert (found.group, found.title) == ("Grants", "5 to come")
        assert found.note == "Nordwind Games · pending · from 2026-05-13 12:00"

        f.spend(nordwind, 1, now=f.later(days=4))
        (found,) = results(staff, pending.public_id)
        assert found.title == "5 granted"

    def test_find_an_alert(self, staff: Client) -> None:
        forget_the_calendar()
        f.spend(f.make_organization("Debtor", overdraft_limit=50), 30)
        look()

        (found,) = results(staff, the_alert("in_debt").public_id)

        assert (found.group, found.title) == ("Alerts", "In debt")
        assert found.note == "Debtor · open · 30 credits of debt."

    def test_find_something_of_every_kind_that_has_one(
        self, staff: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever gives another table public ids has them found, too."""
        asked = set[str]()

        def note(wanted: finder.Wanted, prefix: str) -> None:
            asked.add(prefix)

        monkeypatch.setattr(finder.Wanted, "id", note)
        find(staff, "x")

        assert asked >= ids.PREFIXES

    def test_find_a_refusal_by_its_request(self, staff: Client, nordwind: Organization) -> None:
        refuse(nordwind, 101, "req_01a21a28-130e-7000-947d-6641b66bf05b")

        assert find(staff, "req_01a21a28-130e-7000-947d-6641b66bf05b") == [
            ("Refusals", "Refused: too few credits")
        ]

    def test_find_a_key_by_what_lists_print_of_it(
        self, staff: Client, nordwind: Organization
    ) -> None:
        key, secret = f.make_key(nordwind)

        for text in (key.prefix, f"{key.prefix}_…", key.prefix[:20], secret):
            assert find(staff, text) == [("Keys", key.name)]

    @pytest.mark.parametrize("text", ["org_", "lp_live_", "req_", "txn_x", "org_" + "0" * 36])
    def test_that_are_none_find_nothing(
        self, staff: Client, nordwind: Organization, text: str
    ) -> None:
        assert find(staff, text) == []


class TestWhoMay:
    def test_see_only_what_their_lists_show_them(self, nordwind: Organization) -> None:
        p.make_actor(nordwind, "Nora")

        found = find(staff_who_may("organizations.view_actor"), "no")

        assert found == [("People", "Nora")]

    def test_is_nobody_without_a_login(self, client: Client) -> None:
        assert client.get("/admin/search/", {"s": "x", "extended": "1"}).status_code == 302


class TestNotes:
    def test_say_what_an_organization_has_and_how_often_it_was_refused(
        self, staff: Client, nordwind: Organization
    ) -> None:
        f.set_terms(nordwind, monthly_cap=50)
        f.reserve(nordwind, 40)
        refuse(nordwind, 101)
        refuse(nordwind, 101)

        [found] = results(staff, "nordwind")

        assert found.note == "60 available, cap 50 · refused 2× in 24 hours"

    def test_take_as_many_statements_however_much_is_found(self, staff: Client) -> None:
        def statements() -> int:
            with CaptureQueriesContext(
                connection,
            ) as seen:
                results(staff, "north")
            return len(seen)

        f.make_organization("North 1")
        few = statements()
        for number in range(2, 6):
            p.make_actor(f.make_organization(f"North {number}"), f"North {number}")

        assert statements() == few


class TestMenu:
    def test_of_the_theme_is_still_searched(self, staff: Client) -> None:
        assert b"Organizations" in staff.get("/admin/search/", {"s": "organ"}).content
