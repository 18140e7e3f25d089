"""The limits of an answer are as they are after it; those of a check are as they are, for it holds nothing."""

from typing import Any

import pytest

from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import people as p

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

SUBJECTS = ["actor", "group", "resource", "organization"]


@pytest.fixture
def organization() -> Organization:
    organization = f.make_organization(funded=1_000, monthly_cap=400)
    p.thresholds(organization, shutoff=500)
    return organization


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


@pytest.fixture
def work(organization: Organization) -> dict[str, Any]:
    """The fields of work that every limit counts."""
    actor = p.make_actor(organization, "Ada")
    p.limit(organization, 200, "actor", actor=actor)
    p.make_group(organization, "paris", kind="entity")
    return {
        "actorId": actor.public_id,
        "entity": "paris",
        "entityType": "app",
        "entityId": "shop",
    }


def told(body: dict[str, Any]) -> dict[str, tuple[float, float, float | None]]:
    """Return what is used, reserved and left of each limit."""
    return {
        each["scope"]: (each["used"], each["reserved"], each["remaining"])
        for each in body["limits"]
    }


def verb(held: dict[str, Any], name: str = "") -> str:
    return f"/usage/reservations/{held['id']}" + (f"/{name}" if name else "")


class TestLimits:
    def test_are_those_after_each_verb(self, backend: Caller, work: dict[str, Any]) -> None:
        checked = ok(backend.post("/usage/check", {"estimatedCredits": 100, **work}))
        held = ok(backend.reserve(100, **work), 201)
        other = ok(backend.reserve(10, **work), 201)
        extended = ok(backend.post(verb(held, "extend"), {"expiresInSeconds": 1_000}))
        grown = ok(backend.post(verb(held, "grow"), {"estimatedCredits": 150}))
        kept = ok(backend.post(verb(held, "grow"), {"estimatedCredits": 20}))
        settled = ok(backend.settle(held["id"], 120))
        released = ok(backend.post(verb(other, "release")))

        figures = {
            "checked": (checked, 0, 0),
            "held": (held, 0, 100),
            "other": (other, 0, 110),
            "extended": (extended, 0, 110),
            "grown": (grown, 0, 160),
            "kept": (kept, 0, 160),
            "settled": (settled, 120, 10),
            "released": (released, 120, 0),
        }
        for name, (body, used, reserved) in figures.items():
            limits = told(body)
            assert limits["actor"] == (used, reserved, 200 - used - reserved), name
            assert limits["group"][:2] == limits["resource"][:2] == (used, reserved), name
            assert limits["organization"] == (used, reserved, 400 - used - reserved), name
            assert limits["pool"] == (0, reserved, 1_000 - used - reserved), name
            assert limits["shutoff"][:2] == (used, 0), name
            assert [each["scope"] for each in body["limits"] if each["binding"]] == ["actor"], name

    def test_of_a_read_are_as_they_are_by_now(self, backend: Caller, work: dict[str, Any]) -> None:
        held = ok(backend.reserve(100, **work), 201)
        ok(backend.reserve(10, **work), 201)

        assert told(ok(backend.get(verb(held))))["actor"] == (0, 110, 90)

        ok(backend.settle(held["id"], 120))
        ok(backend.reserve(10, **work), 201)

        assert told(ok(backend.get(verb(held))))["actor"] == (120, 20, 60)

    def test_of_a_repeat_are_those_of_the_first_answer(
        self, backend: Caller, work: dict[str, Any]
    ) -> None:
        first = backend.reserve(100, key="reserve", **work)
        held = ok(first, 201)
        settled = backend.settle(held["id"], 100, key="settle")
        other = ok(backend.reserve(10, **work), 201)
        released = backend.post(verb(other, "release"))
        ok(backend.reserve(10, **work), 201)

        assert backend.reserve(100, key="reserve", **work).content == first.content
        assert backend.settle(held["id"], 100, key="settle").content == settled.content
        assert backend.settle(held["id"], 100).content == settled.content
        assert backend.post(verb(other, "release")).content == released.content

    def test_count_what_a_free_fallback_may_leave_unpaid(self) -> None:
        p.make_models()
        organization = f.make_organization(funded=1, when_empty="fallback", free_fallback_limit=50)
        backend = caller_of(organization)
        asked = {"model": "sonnet", "inputTokens": 0, "maxOutputTokens": 1_000_000}

        held = ok(backend.post("/usage/reservations", asked), 201)
        settled = ok(backend.settle(held["id"], 2))

        assert told(held)["pool"] == (0, 1, 0)
        assert told(held)["free_fallback"] == (0, 1, 49)
        assert told(settled)["free_fallback"] == (1, 0, 49)
        assert told(settled)["pool"] == (0, 0, 0)

    def test_are_kept_with_the_hold(self, organization: Organization) -> None:
        f.settle(f.reserve(organization, 100), 30)

        _, cap, pool = Reservation.objects.get().limits
        assert (cap["used"], cap["reserved"]) == ("30.000000", "0")
        assert (pool["cap"], pool["reserved"]) == ("970.000000", "0")
