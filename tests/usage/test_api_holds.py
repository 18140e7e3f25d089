"""The list of reservations: GET /api/v1/usage/reservations."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.usage import people as p

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

HOLDS = "/usage/reservations"


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


def items(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(caller.get(HOLDS, **query))["items"]
    return found


def ids(caller: Caller, **query: Any) -> list[str]:
    return [item["id"] for item in items(caller, **query)]


class TestItem:
    def test_says_what_was_held_and_what_became_of_it(
        self, backend: Caller, organization: Organization
    ) -> None:
        ada = p.make_actor(organization)
        held = ok(backend.reserve(5, actorId=ada.public_id, metadata={"projectId": "p-1"}), 201)
        ok(backend.settle(held["id"], 3))

        (item,) = items(backend)
        (event,) = ok(backend.get("/usage/events"))["items"]

        assert item == {
            "id": held["id"],
            "status": "settled",
            "credits": 5,
            "settledCredits": 3,
            "actorId": ada.public_id,
            "entity": None,
            "requestedModel": None,
            "effectiveModel": None,
            "variant": None,
            "maxUnits": None,
            "decision": "allow",
            "byok": False,
            "resourceType": "ai",
            "entityType": None,
            "entityId": None,
            "metadata": {"projectId": "p-1"},
            "late": False,
            "eventId": event["id"],
            "entryId": event["entryId"],
            "createdAt": "2026-05-10T12:00:00.000Z",
            "expiresAt": held["expiresAt"],
            "closedAt": "2026-05-10T12:00:00.000Z",
        }

    def test_of_what_runs_has_no_event_yet(self, backend: Caller) -> None:
        ok(backend.reserve(5), 201)

        (item,) = items(backend)

        names = ("status", "settledCredits", "eventId", "entryId", "closedAt")
        assert [item[name] for name in names] == ["open", None, None, None, None]


class TestStatus:
    def test_is_as_of_now_swept_or_not(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        settled, released, swept = (
            f.reserve(organization, 5, ttl=timedelta(minutes=1)) for _ in "123"
        )
        f.settle(settled, 5)
        f.release(released)
        clock.move_to(f.later(minutes=2))
        f.expire(organization, now=f.later(minutes=2))
        over = f.reserve(organization, 5, ttl=timedelta(minutes=1), now=f.later(minutes=2))
        runs = f.reserve(organization, 5, ttl=timedelta(hours=1), now=f.later(minutes=3))
        clock.move_to(f.later(minutes=4))

        found = {name: ids(backend, status=name) for name in ("open", "settled", "released")}

        assert found == {
            "open": [runs.public_id],
            "settled": [settled.public_id],
            "released": [released.public_id],
        }
        assert ids(backend, status="expired") == [over.public_id, swept.public_id]
        assert {item["status"] for item in items(backend, status="expired")} == {"expired"}
        assert len(ids(backend)) == 5

    def test_with_an_actor(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        held = {
            actor: p.hold(p.work(organization, 5, actor=actor)).public_id for actor in (ada, bob)
        }

        assert ids(backend, actorId=ada.public_id) == [held[ada]]
        assert ids(backend, actorId=bob.public_id, status="open") == [held[bob]]
        assert ids(backend, actorId=bob.public_id, status="expired") == []
        clock.move_to(f.later(days=2))
        assert ids(backend, actorId=bob.public_id, status="expired") == [held[bob]]


class TestList:
    def test_goes_on_from_page_to_page_newest_first(
        self, backend: Caller, organization: Organization
    ) -> None:
        made = [f.reserve(organization, 1, now=f.later(seconds=n)).public_id for n in range(5)]

        first = ok(backend.get(HOLDS, limit=2))
        second = ok(backend.get(HOLDS, limit=2, cursor=first["nextCursor"]))
        third = ok(backend.get(HOLDS, limit=2, cursor=second["nextCursor"]))

        pages = [item["id"] for page in (first, second, third) for item in page["items"]]
        assert pages == made[::-1]
        assert third["nextCursor"] is None

    def test_a_window_is_half_open(self, backend: Caller, organization: Organization) -> None:
        made = [f.reserve(organization, 1, now=f.later(seconds=n)).public_id for n in range(3)]
        since, until = (f"2026-05-10T12:00:0{n}Z" for n in (0, 2))

        assert ids(backend, since=since, until=until) == [made[1], made[0]]
        assert ids(backend, since="2026-05-10T14:00:02+02:00") == [made[2]]

    def test_a_personal_key_sees_its_own_actors(self, organization: Organization) -> None:
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        held = p.hold(p.work(organization, 5, actor=ada))
        p.hold(p.work(organization, 5, actor=bob))
        _, secret = f.make_key(organization, scopes=("*",), actor=ada)
        personal = Caller(secret)

        assert ids(personal) == [held.public_id]
        assert ids(personal, actorId=bob.public_id) == []

    def test_a_parent_sees_its_childs_and_a_stranger_none(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 10)
        held = f.reserve(child, 5)

        assert ids(caller_of(parent, acting=child)) == [held.public_id]
        assert ids(caller_of(parent)) == []

    def test_needs_the_scope(self, organization: Organization) -> None:
        assert error(caller_of(organization, "usage:write").get(HOLDS)) == (403, "FORBIDDEN_SCOPE")

    @pytest.mark.parametrize("query", [{"status": "lost"}, {"since": "2026-05-10"}, {"x": "1"}])
    def test_refuses_what_it_does_not_know(self, backend: Caller, query: dict[str, str]) -> None:
        assert error(backend.get(HOLDS, **query)) == (422, "VALIDATION")
