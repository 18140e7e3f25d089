"""Erasing a person: afterwards nothing in the database names them, and what they did stays."""

from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from credits import services
from organizations import alerts
from organizations.models import Actor, ApiKey, IdempotencyKey
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.config import test_roles as roles
from tests.usage import people as p
from tests.usage.noticed import look, the_alert
from usage.models import UsageEvent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

NAMES = ("Quintessa", "quintessa@example.org", "emp-quintessa-7")
ASKED = {"name": "Quintessa Vale", "email": NAMES[1], "externalId": NAMES[2]}

made = roles.made
app = roles.app
reader = roles.reader


@pytest.fixture
def caller() -> Caller:
    return caller_of(f.make_organization(funded=100), "manage", "usage:write", "usage:read")


def person(caller: Caller) -> Actor:
    """Return an actor whose name is in every place that it gets to: answers, histories, keys, and work."""
    told = ok(caller.post("/actors", ASKED, key="made"), 201)
    path = f"/actors/{told['id']}"
    ok(caller.patch(path, {"name": "Quintessa Vale-Marsh"}, key="changed"))
    actor = Actor.objects.get(id=told["id"].removeprefix("act_"))
    minted = {"name": "Quintessa's laptop", "scopes": ["usage:write"], "actorId": told["id"]}
    keys = f"/organizations/{actor.organization.public_id}/api-keys"
    made = ok(caller.post(keys, minted, key="minted"), 201)
    ok(caller.post(f"{keys}/{made['id']}/rotate", key="rotated"))
    held = ok(caller.reserve(5, actorId=told["id"], key="held"), 201)
    ok(caller.settle(held["id"], 5))
    caller.reserve(10_000, actorId=told["id"])  # refused, and kept as a refusal
    return actor


def named_in() -> set[str]:
    """Return the columns of the whole database that hold a part of the names."""
    found = set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (data_type IN ('text', 'character varying', 'json', 'jsonb', 'ARRAY'))"
        )
        for table, column in cursor.fetchall():
            query = sql.SQL("SELECT count(*) FROM {} WHERE {}::text ILIKE '%%quintessa%%'")
            cursor.execute(query.format(sql.Identifier(table), sql.Identifier(column)))
            if cursor.fetchone()[0]:
                found.add(f"{table}.{column}")
    return found


class TestErase:
    def test_takes_the_reasons_of_alerts_about_it_along(self, caller: Caller) -> None:
        actor = person(caller)
        p.budget_warning(actor.organization, actor=actor, budget=5)
        look()
        alert = the_alert("budget")
        by: dict[str, Any] = {"note": "Quintessa knows", "performed_by": "staff:ana", "now": f.NOW}
        alerts.acknowledge(alert=alert, **by)
        assert "organizations_alertstep.note" in named_in()

        ok(caller.delete(f"/actors/{actor.public_id}"))

        assert named_in() == set()
        step = alert.steps.get(what="acknowledged")
        assert (step.by, step.note) == ("staff:ana", "")

    def test_leaves_no_name_anywhere(self, caller: Caller) -> None:
        actor = person(caller)
        assert named_in() >= {
            *("organizations_actor.name", "organizations_historicalactor.email"),
            *("organizations_apikey.name", "organizations_historicalapikey.name"),
            "organizations_idempotencykey.body",
        }

        told = ok(caller.delete(f"/actors/{actor.public_id}"))

        assert named_in() == set()
        assert (told["id"], told["name"]) == (actor.public_id, "erased")
        assert (told["email"], told["externalId"], told["active"]) == (None, None, False)

    def test_leaves_what_was_done(self, caller: Caller) -> None:
        actor = person(caller)
        money = f.money_of(actor.organization)

        ok(caller.delete(f"/actors/{actor.public_id}"))

        assert UsageEvent.objects.get().actor_id == actor.pk
        assert f.money_of(actor.organization) == money

    def test_leaves_others_as_they_are(self, caller: Caller) -> None:
        actor = person(caller)
        other = ok(caller.post("/actors", {"name": "Ben", "email": "b@example.org"}, key="b"), 201)
        before = named_rows(other["id"])

        ok(caller.delete(f"/actors/{actor.public_id}"))

        assert named_rows(other["id"]) == before

    def test_says_the_same_again_and_writes_nothing(self, caller: Caller) -> None:
        actor = person(caller)
        first = ok(caller.delete(f"/actors/{actor.public_id}"))
        rows = Actor.history.count()

        assert ok(caller.delete(f"/actors/{actor.public_id}")) == first
        assert Actor.history.count() == rows

    def test_keeps_who_did_it_and_when(self, caller: Caller) -> None:
        actor = person(caller)

        ok(caller.delete(f"/actors/{actor.public_id}"))

        last = Actor.history.filter(id=actor.pk).latest("history_id")
        assert last.history_change_reason.startswith("key_")
        assert (last.name, last.active, last.history_date) == ("erased", False, f.NOW)

    def test_keeps_the_keys_of_requests_taken(self, caller: Caller) -> None:
        actor = person(caller)
        ok(caller.delete(f"/actors/{actor.public_id}"))

        again = caller.post("/actors", ASKED, key="made")

        assert again.headers["Idempotency-Replayed"] == "true"
        assert ok(again, 201)["id"] == actor.public_id
        assert (again.json()["name"], again.json()["email"]) == ("erased", None)
        assert caller.post("/actors", {"name": "Other"}, key="made").status_code == 409
        assert Actor.objects.count() == 1

    def test_closes_personal_keys(self, caller: Caller) -> None:
        actor = person(caller)
        key, secret = f.make_key(actor.organization, scopes=["usage:write"], actor=actor)
        assert Caller(secret).reserve(1).status_code == 201

        ok(caller.delete(f"/actors/{actor.public_id}"))

        assert error(Caller(secret).reserve(1)) == (401, "UNAUTHENTICATED")
        assert ApiKey.objects.get(pk=key.pk).name == "erased"

    def test_frees_the_external_id(self, caller: Caller) -> None:
        ok(caller.delete(f"/actors/{person(caller).public_id}"))

        ok(caller.post("/actors", {"name": "New", "externalId": NAMES[2]}), 201)

    def test_is_for_archived_organizations_too(self) -> None:
        organization = f.make_organization()
        actor = p.make_actor(organization, "Quintessa")
        f.archive(organization)

        services.erase_actor(actor=actor, now=f.NOW)

        assert named_in() == set()

    def test_reaches_the_answers_of_a_parent(self) -> None:
        parent, child = f.make_family()
        caller = caller_of(parent, "org:admin", "manage", acting=child)
        told = ok(caller.post("/actors", ASKED, key="made"), 201)

        ok(caller.delete(f"/actors/{told['id']}"))

        assert named_in() == set()


def named_rows(public_id: str) -> list[Any]:
    """Return what is kept of an actor: its row, its history, and the answers that tell of it."""
    id = public_id.removeprefix("act_")
    return [
        *Actor.objects.filter(id=id).values(),
        *Actor.history.filter(id=id).values(),
        *IdempotencyKey.objects.filter(body__contains=public_id).values(),
    ]


class TestAsApp(roles.AsApp, TestErase):
    """The application has no right to change a history: the function has."""


class TestFunction:
    def test_does_nothing_for_who_is_not_erased(self, app: psycopg.Connection) -> None:
        actor = p.make_actor(f.make_organization(), "Quintessa")

        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not erased"):
            app.execute("SELECT organizations_erase_1(%s)", [actor.pk])

        assert named_in() == {"organizations_actor.name", "organizations_historicalactor.name"}

    def test_is_not_for_readers(self, reader: psycopg.Connection) -> None:
        actor = p.make_actor(f.make_organization())

        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            reader.execute("SELECT organizations_erase_1(%s)", [actor.pk])
