"""Names that people match by: what looks alike is alike, at every door, in the console and in the database. Addresses are kept in one form."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from organizations.models import Actor, Group, Organization
from organizations.visible import is_exact
from tests import factories as f
from tests.admin.browser import fill_in_page
from tests.admin.people import client_of
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.models import Limit
from usage.reconcile import CHECKS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

INEXACT = [
    *(" acme", "acme ", "acme\u00a0", "\u3000acme", "ａcme", "ﬁrma", "e\u0301t", "№ 7", "㎏", "①"),
    *("ac\u200bme", "ac\u00adme", "\ufeffacme", "acme\u202e", "a\u200dé", "é\u200dé", "é\ufe0fé"),
    *("ac\u2060me", "ac\u180eme", "\u3164acme", "acme\U000e0041", "a\u034fé"),
]
EXACT = ["acme", "Acme & Söhne", "日本語", "данные", "a-b_c:d/e", "𝄞", "عربي", "étude", "a b", "😀"]
"""Letters that look alike and are of other alphabets are no spelling of each other: they stay apart."""


def make_group(caller: Caller, name: str) -> Any:
    return caller.post("/groups", {"kind": "entity", "key": name, "name": "A"})


def rename_group(caller: Caller, name: str) -> Any:
    group = Group.objects.first() or Group.objects.get(
        id=ok(make_group(caller, "g"), 201)["id"][4:]
    )
    return caller.patch(f"/groups/{group.public_id}", {"key": name})


def make_actor(caller: Caller, name: str) -> Any:
    return caller.post("/actors", {"name": "Ada", "externalId": name})


def rename_actor(caller: Caller, name: str) -> Any:
    actor = Actor.objects.first() or Actor.objects.get(
        id=ok(make_actor(caller, "a"), 201)["id"][4:]
    )
    return caller.patch(f"/actors/{actor.public_id}", {"externalId": name})


def make_child(caller: Caller, name: str) -> Any:
    return caller.post("/organizations", {"name": "Acme", "externalId": name})


def rename_child(caller: Caller, name: str) -> Any:
    child = Organization.objects.filter(parent__isnull=False).first()
    id = child.public_id if child else ok(make_child(caller, "a"), 201)["id"]
    return caller.patch(f"/organizations/{id}", {"externalId": name})


def of_resource(path: str) -> Callable[[Caller, str], Any]:
    asked = {"estimatedCredits": 1, "entityType": "app"}
    return lambda caller, name: caller.post(path, asked | {"entityId": name})


WRITES: dict[str, tuple[str, Callable[[Caller, str], Any]]] = {
    "POST groups": ("key", make_group),
    "PATCH groups": ("key", rename_group),
    "POST actors": ("externalId", make_actor),
    "PATCH actors": ("externalId", rename_actor),
    "POST organizations": ("externalId", make_child),
    "PATCH organizations": ("externalId", rename_child),
    "POST check": ("entityId", of_resource("/usage/check")),
    "POST reservations": ("entityId", of_resource("/usage/reservations")),
}
"""Doors that write a name, and the field that an error names."""


@pytest.fixture
def backend() -> Caller:
    return caller_of(f.make_organization(funded=100))


class TestNames:
    @pytest.mark.parametrize("door", WRITES)
    @pytest.mark.parametrize("name", INEXACT, ids=ascii)
    def test_that_others_may_look_like_are_refused(
        self, backend: Caller, door: str, name: str
    ) -> None:
        field, write = WRITES[door]

        answer = write(backend, name)

        assert error(answer) == (422, "VALIDATION")
        assert list(details(answer)["fields"]) == [field]

    @pytest.mark.parametrize("door", WRITES)
    @pytest.mark.parametrize("name", EXACT, ids=ascii)
    def test_that_have_one_spelling_stay_as_they_are(
        self, backend: Caller, door: str, name: str
    ) -> None:
        field, write = WRITES[door]

        said = ok_or_made(write(backend, name))

        assert said.get(field, name) == name

    @pytest.mark.parametrize("name", [*INEXACT, *EXACT, "a\tb", "", "x" * 128], ids=ascii)
    def test_are_read_alike_by_the_database(self, name: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT organizations_is_exact_1(%s)", [name])
            assert cursor.fetchone() == (is_exact(name),)

    def test_are_read_alike_by_the_database_character_by_character(self) -> None:
        """Of every character that is assigned in both: between two letters."""
        points = [n for n in range(1, 0x20000) if not 0xD800 <= n <= 0xDFFF]
        known = [n for n in points if unicodedata.category(chr(n)) != "Cn"]
        sql = "SELECT n FROM unnest(%s::int[]) AS n WHERE NOT organizations_is_exact_1('é' || chr(n) || 'é')"
        with connection.cursor() as cursor:
            cursor.execute(sql, [known])
            refused = {n for (n,) in cursor}

        differ = [n for n in known if (n in refused) == is_exact(f"é{chr(n)}é")]

        # The versions of Unicode that two programs know may differ a little.
        assert len(differ) < 5, [hex(n) for n in differ]


class TestOldNames:
    """What was there before keeps its name, is found by it to the letter, and is listed."""

    NAME = " ａcme"

    @pytest.fixture
    def old(self) -> Group:
        owner = f.make_organization(funded=100)
        group = p.make_group(owner, "acme", kind="entity")
        actor = p.make_actor(owner, external_id="a")
        Limit.objects.create(
            organization=owner,
            scope="resource",
            resource_type="app",
            resource_id=self.NAME,
            created_at=f.NOW,
            updated_at=f.NOW,
        )
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("UPDATE organizations_group SET key = %s", [self.NAME])
            cursor.execute("UPDATE organizations_actor SET external_id = %s", [self.NAME])
            cursor.execute("UPDATE organizations_organization SET external_id = %s", [self.NAME])
            cursor.execute("SET session_replication_role = origin")
        group.refresh_from_db()
        actor.refresh_from_db()
        return group

    @pytest.mark.broken_books
    def test_are_found_and_change_all_else(self, old: Group) -> None:
        backend = caller_of(old.organization)

        (group,) = ok(backend.get("/groups", key=self.NAME))["items"]
        (actor,) = ok(backend.get("/actors", externalId=self.NAME))["items"]
        held = backend.reserve(1, entity=self.NAME)
        budget = backend.client.get(f"/api/usage-budgets/app/{self.NAME}")

        assert group["key"] == actor["externalId"] == budget.json()["entityId"] == self.NAME
        assert held.status_code == 201
        assert ok(backend.patch(f"/groups/{group['id']}", {"name": "B"}))["key"] == self.NAME
        changed = ok(backend.patch(f"/actors/{actor['id']}", {"active": False}))
        assert changed["externalId"] == self.NAME

    @pytest.mark.broken_books
    def test_are_listed_by_reconcile(self, old: Group) -> None:
        check = CHECKS["a name that people match by looks like no other"]
        with connection.cursor() as cursor:
            cursor.execute(check)
            subjects = sorted(subject.rsplit(" ", 1)[0] for _, subject, _ in cursor)

        assert subjects == [
            *("external id of actor", "external id of organization"),
            *("key of group", "resource of limit"),
        ]

    @pytest.mark.broken_books
    def test_are_kept_by_the_console(self, old: Group, plain_static_files: None) -> None:
        page = f"/admin/organizations/group/{old.pk}/change/"
        ana = client_of(User.objects.create_superuser("ana"))

        kept = ana.post(page, fill_in_page(ana, page, name="B"))
        refused = ana.post(page, fill_in_page(ana, page, key=f"{self.NAME}!", name="C"))

        old.refresh_from_db()
        assert kept.status_code == 302, kept.context["adminform"].form.errors
        assert "Unicode NFKC" in refused.content.decode()
        assert (old.key, old.name) == (self.NAME, "B")

    def test_begin_no_budget(self) -> None:
        answer = caller_of(f.make_organization()).client.get("/api/usage-budgets/app/acme ")

        assert answer.status_code == 400
        assert not Limit.objects.exists()


@pytest.fixture
def plain_static_files(settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


class TestAddresses:
    @pytest.mark.parametrize("text", ["ada@acme.example", "Ada@Acme.example", "ADA@ACME.EXAMPLE"])
    def test_are_kept_in_one_form(self, text: str) -> None:
        boss = caller_of(f.make_organization())

        actor = ok(boss.post("/actors", {"name": "Ada", "email": text}), 201)
        changed = ok(boss.patch(f"/actors/{actor['id']}", {"email": text}))
        child = ok(boss.post("/organizations", {"name": "Acme", "billingEmail": text}), 201)

        assert actor["email"] == changed["email"] == child["billingEmail"] == "ada@acme.example"


def ok_or_made(answer: Any) -> Any:
    assert answer.status_code in (200, 201), answer.json()
    return answer.json()
