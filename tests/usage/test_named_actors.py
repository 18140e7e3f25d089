"""An actor named by what the product calls it: the same as by its id, and whose that is counts when it is the work's turn."""

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.models import Reservation
from organizations.models import Actor, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.models import Denial, UsageEvent
from usage.services import terms

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

HOLDS = "/usage/reservations"
EVENTS = "/usage/events"


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


@pytest.fixture
def ada(organization: Organization) -> Actor:
    return p.make_actor(organization, external_id="u-1")


@pytest.fixture
def bob(organization: Organization) -> Actor:
    return p.make_actor(organization, "Bob", external_id="u-2")


def personal(actor: Actor) -> Caller:
    _, secret = f.make_key(actor.organization, scopes=["*"], actor=actor)
    return Caller(secret)


def tell(backend: Caller, *names: str, **fields: Any) -> list[Any]:
    """Tell a piece of work of each of these actors."""
    told = [
        {"source": "jobs", "id": f"{name} {n}", "credits": 1, "actorExternalId": name, **fields}
        for n, name in enumerate(names)
    ]
    results: list[Any] = ok(backend.post(EVENTS, {"events": told}))["results"]
    return results


def swap(ada: Actor, bob: Actor) -> None:
    """Let the product call Bob what it called Ada."""
    for actor, name in ((ada, None), (bob, "u-1"), (ada, "u-2")):
        ok(caller_of(ada.organization).patch(f"/actors/{actor.public_id}", {"externalId": name}))


class TestNamed:
    def test_is_the_actor_of_a_hold_a_check_and_an_event(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        p.limit(organization, 7, "actor", actor=ada)

        held = ok(backend.reserve(5, actorExternalId="u-1"), 201)
        checks = [
            ok(backend.post("/usage/check", {"estimatedCredits": 5} | who))
            for who in ({"actorExternalId": "u-1"}, {"actorId": ada.public_id})
        ]
        tell(backend, "u-1")

        assert held["limits"][0]["id"] == ada.public_id
        assert checks[0] == checks[1]
        assert [UsageEvent.objects.get().actor, Reservation.objects.get().actor] == [ada, ada]

    @pytest.mark.parametrize("path", [HOLDS, EVENTS])
    def test_filters_a_list(self, backend: Caller, ada: Actor, bob: Actor, path: str) -> None:
        for name in ("u-1", "u-2"):
            held = ok(backend.reserve(5, actorExternalId=name), 201)
            ok(backend.settle(held["id"], 2))

        by_name, by_id, nobodys = (
            ok(backend.get(path, **who))["items"]
            for who in (
                {"actorExternalId": "u-2"},
                {"actorId": bob.public_id},
                {"actorExternalId": "none"},
            )
        )

        assert by_name == by_id
        assert [item["actorId"] for item in by_name] == [bob.public_id]
        assert nobodys == []

    def test_sees_the_models_of_its_profile(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        p.make_models()
        p.make_model("opus", tier="strategic")

        listed = [
            ok(backend.get("/models", **who))["items"]
            for who in ({"actorExternalId": "u-1"}, {"actorId": ada.public_id})
        ]

        assert listed[0] == listed[1]
        assert "TIER_NOT_ALLOWED" in [model["reason"] for model in listed[0]]

    def test_gets_a_key(self, backend: Caller, organization: Organization, ada: Actor) -> None:
        path = f"/organizations/{organization.public_id}/api-keys"
        body = {"name": "mine", "scopes": ["usage:write"]}

        made = ok(backend.post(path, body | {"actorExternalId": "u-1"}), 201)

        assert made["actorId"] == ada.public_id
        assert error(backend.post(path, body | {"actorExternalId": "u-9"})) == (404, "NOT_FOUND")

    def test_is_named_once(self, backend: Caller, organization: Organization, ada: Actor) -> None:
        both = {"actorId": ada.public_id, "actorExternalId": "u-1"}
        key = {"name": "mine", "scopes": ["usage:write"]}
        refused = [
            backend.reserve(1, **both),
            backend.post("/usage/check", {"estimatedCredits": 1} | both),
            backend.post(f"/organizations/{organization.public_id}/api-keys", key | both),
            *(backend.get(path, **both) for path in (HOLDS, EVENTS, "/models")),
        ]

        for answer in refused:
            assert error(answer) == (422, "VALIDATION")
            assert list(details(answer)["fields"]) == ["actorExternalId"]
        (event,) = tell(backend, "u-1", actorId=ada.public_id)
        assert event["status"] == "rejected"
        assert event["reason"].startswith("actorExternalId: ")

    def test_is_unknown_as_an_id_is(self, backend: Caller, ada: Actor) -> None:
        stranger = p.make_actor(f.make_organization("Stranger"), external_id="u-9")
        for who in ({"actorExternalId": "u-9"}, {"actorId": stranger.public_id}):
            check = {"estimatedCredits": 1} | who
            assert error(backend.reserve(1, **who)) == (404, "NOT_FOUND")
            assert error(backend.post("/usage/check", check)) == (404, "NOT_FOUND")
            assert error(backend.get("/models", **who)) == (404, "NOT_FOUND")
        results = tell(backend, "u-9", "u-1")

        assert [each["status"] for each in results] == ["rejected", "accepted"]
        assert results[0]["reason"] == "unknown actor"

    def test_may_not_work_where_it_is_not_active(self, backend: Caller, ada: Actor) -> None:
        p.set_active(ada, False)

        refused = backend.reserve(1, actorExternalId="u-1")

        assert details(refused)["fields"] == {"actorExternalId": ["This actor is not active."]}

    def test_is_another_body_than_the_same_actor_by_its_id(
        self, backend: Caller, ada: Actor
    ) -> None:
        ok(backend.reserve(1, key="r-1", actorExternalId="u-1"), 201)

        again = backend.reserve(1, key="r-1", actorExternalId="u-1")
        other = backend.reserve(1, key="r-1", actorId=ada.public_id)

        assert again.status_code == 201
        assert error(other) == (409, "IDEMPOTENCY_CONFLICT")

    def test_are_found_together_for_many_events(
        self, backend: Caller, ada: Actor, bob: Actor
    ) -> None:
        with CaptureQueriesContext(connection) as captured:
            tell(backend, *["u-1", "u-2"] * 20)

        asked = [each for each in captured if '"external_id" IN' in (each["sql"] or "")]
        assert len(asked) == 1
        assert UsageEvent.objects.filter(actor=bob).count() == 20


class TestPersonalKey:
    def test_names_its_own_actor_only(self, ada: Actor, bob: Actor) -> None:
        me = personal(ada)

        assert ok(me.reserve(1, actorExternalId="u-1"), 201)["credits"] == 1
        assert error(me.reserve(1, actorExternalId="u-2")) == (403, "FORBIDDEN_SCOPE")
        assert error(me.get("/models", actorExternalId="none")) == (403, "FORBIDDEN_SCOPE")
        assert ok(me.get(HOLDS, actorExternalId="u-2"))["items"] == []

    def test_names_it_as_it_is_called_by_now(self, ada: Actor, bob: Actor) -> None:
        me = personal(ada)
        ok(me.reserve(1, actorExternalId="u-1"), 201)

        swap(ada, bob)

        assert error(me.reserve(1, actorExternalId="u-1")) == (403, "FORBIDDEN_SCOPE")
        assert ok(me.reserve(1, actorExternalId="u-2"), 201)["credits"] == 1
        assert set(Reservation.objects.values_list("actor", flat=True)) == {ada.id}


class TestRenamed:
    """Whose an external id is was kept, and is another's since."""

    def test_is_obeyed_at_once_by_a_hold(self, backend: Caller, ada: Actor, bob: Actor) -> None:
        first = ok(backend.reserve(1, actorExternalId="u-1"), 201)["id"]

        swap(ada, bob)

        second = ok(backend.reserve(1, actorExternalId="u-1"), 201)["id"]
        actors = {held.public_id: held.actor for held in Reservation.objects.all()}
        assert actors == {first: ada, second: bob}

    def test_is_obeyed_at_once_by_events(self, backend: Caller, ada: Actor, bob: Actor) -> None:
        tell(backend, "u-1")

        swap(ada, bob)

        tell(backend, "u-1", source="again")
        assert UsageEvent.objects.get(source="jobs").actor == ada
        assert UsageEvent.objects.get(source="again").actor == bob

    def test_is_obeyed_at_once_by_a_check(
        self, backend: Caller, organization: Organization, ada: Actor, bob: Actor
    ) -> None:
        p.limit(organization, 0, "actor", actor=bob)
        ask = {"estimatedCredits": 1, "actorExternalId": "u-1"}
        assert ok(backend.post("/usage/check", ask))["decision"] == "allow"

        swap(ada, bob)

        assert ok(backend.post("/usage/check", ask))["decision"] == "deny"

    def test_is_obeyed_at_once_by_what_is_kept_of_a_refusal(
        self, backend: Caller, organization: Organization, ada: Actor, bob: Actor
    ) -> None:
        p.limit(organization, 0, "actor", actor=bob)
        ok(backend.reserve(1, actorExternalId="u-1"), 201)

        swap(ada, bob)

        assert error(backend.reserve(1, actorExternalId="u-1"))[0] == 402
        assert Denial.objects.get().actor == bob

    def test_lets_in_again_whose_name_is_back(
        self, backend: Caller, ada: Actor, bob: Actor
    ) -> None:
        call = partial(backend.reserve, 1, actorExternalId="u-3")
        assert error(call()) == (404, "NOT_FOUND")

        ok(backend.patch(f"/actors/{ada.public_id}", {"externalId": "u-3"}))
        assert ok(call(), 201)
        ok(backend.patch(f"/actors/{ada.public_id}", {"externalId": None}))

        assert error(call()) == (404, "NOT_FOUND")

    def test_is_said_by_kept_terms_as_by_fresh_ones(
        self, organization: Organization, ada: Actor, bob: Actor
    ) -> None:
        kept = terms.book_of(organization)
        looked_up = kept.actor_called("u-1"), kept.actors_called(["u-1", "u-2", "u-3"])
        again = kept.actor_called("u-1"), kept.actors_called(["u-1", "u-2", "u-3"])

        assert looked_up == again == (ada, {"u-1": ada.id, "u-2": bob.id})

        swap(ada, bob)

        fresh = terms.current(organization)
        assert fresh is not kept
        assert fresh.actor_called("u-1") == bob
        assert fresh.actors_called(["u-1", "u-2"]) == {"u-1": bob.id, "u-2": ada.id}
