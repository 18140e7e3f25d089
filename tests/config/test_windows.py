"""Windows of time, and the moments in queries and bodies: the same at every door that takes them."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from rest_framework import serializers

from organizations.doors import ApiView
from tests import factories as f
from tests.callers import caller_of, child_path, details, error, ok
from tests.callers import clock as clock
from tests.kept import Kept
from tests.routes import views
from usage.serializers.i5 import QueryDate
from usage.serializers.omni import MonthField

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

FORMS = ["{}Z", "{}z", "{}.000Z", "{}.0000000001Z", "{}+00:00", "{}-00:00"]
"""Ways to say a moment in UTC."""


def moments_taken() -> set[tuple[str, str, str]]:
    """Return what reads a moment or a day, of every operation: the method, the path, and the field."""
    found = set()
    for path, view in views():
        for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
            kind: Any = getattr(view, "cls", object)
            declared = kind.operation_for(method) if issubclass(kind, ApiView) else None
            for shape in (declared.query, declared.body) if declared else ():
                found |= {(method, path, name) for name in _times(shape() if shape else None)}
    return found


def _times(field: Any) -> set[str]:
    """Return the names of the fields that are moments or days, also of the entries of a list."""
    inner = getattr(field, "child", None)
    if inner is not None:
        return _times(inner)
    names: set[str] = set()
    for name, each in getattr(field, "fields", {}).items():
        is_time = isinstance(each, serializers.DateTimeField | QueryDate | MonthField)
        names |= {name} if is_time else _times(each)
    return names


class World:
    """A parent, its child, and events of the child one tick around noon."""

    def __init__(self) -> None:
        self.parent, self.child = f.make_family()
        self.boss = caller_of(self.parent)
        self.backend = caller_of(self.child)
        told = [
            {"source": "b", "id": name, "credits": 0, "occurredAt": at}
            for name, at in (
                ("before", "2026-05-10T11:59:59.999999Z"),
                ("noon", "2026-05-10T12:00:00Z"),
                ("after", "2026-05-10T12:00:00.000001Z"),
            )
        ]
        ok(self.backend.post("/usage/events", {"events": told}))

    def events(self, **window: str) -> set[str]:
        return {
            each["externalId"] for each in ok(self.backend.get("/usage/events", **window))["items"]
        }


KEPT = Kept("windows", World)


@pytest.fixture
def world(transactional_db: None, clock: time_machine.Traveller) -> World:
    clock.move_to(f.later(seconds=1))
    return KEPT.get()


def ask_events(name: str) -> Callable[[World, str], Any]:
    return lambda world, at: world.backend.get("/usage/events", **{name: at})


def ask_reservations(name: str) -> Callable[[World, str], Any]:
    return lambda world, at: world.backend.get("/usage/reservations", **{name: at})


def ask_balance(world: World, at: str) -> Any:
    return world.backend.get("/credits", asOf=at)


def ask_child(world: World, at: str) -> Any:
    return world.boss.get(f"{child_path(world.child)}/credits", asOf=at)


def tell(world: World, at: str) -> Any:
    told = {"source": "b", "id": at, "credits": 0, "occurredAt": at}
    return world.backend.post("/usage/events", {"events": [told]})


def mint(world: World, at: str) -> Any:
    later = at.replace("2026-05-10", "2026-05-11")
    body = {"name": "a", "scopes": ["usage:read"], "expiresAt": later}
    return world.boss.post(f"{child_path(world.child)}/api-keys", body)


def begin_child(world: World, at: str) -> Any:
    later = at.replace("2026-05-10", "2026-05-11")
    body = {"name": "a", "openingBalance": {"credits": 1, "expiresAt": later}}
    return world.boss.post("/organizations", body)


_KEYS = "api/v1/organizations/<str:org_id>/api-keys"
ASKED: dict[tuple[str, str, str], Callable[[World, str], Any]] = {
    ("GET", "api/v1/usage/events", "since"): ask_events("since"),
    ("GET", "api/v1/usage/events", "until"): ask_events("until"),
    ("GET", "api/v1/usage/reservations", "since"): ask_reservations("since"),
    ("GET", "api/v1/usage/reservations", "until"): ask_reservations("until"),
    ("GET", "api/v1/credits", "asOf"): ask_balance,
    ("GET", "api/v1/organizations/<str:org_id>/credits", "asOf"): ask_child,
    ("POST", "api/v1/usage/events", "occurredAt"): tell,
    ("POST", _KEYS, "expiresAt"): mint,
    ("POST", "api/v1/organizations", "expiresAt"): begin_child,
}
"""How each door is asked that takes any moment."""
BY_CONTRACT = {
    *(
        ("GET", path, name)
        for path in ("api/v1/credits/events", "api/v1/organizations/<str:org_id>/credits/events")
        for name in ("since", "until")
    ),
    *(
        ("GET", path, name)
        for path in ("api/usage", "api/usage/monthly", "api/usage/top-consumers")
        for name in ("startDate", "endDate")
    ),
    ("POST", "api/v1/ai/credit-usage/user-groups", "period"),
}
"""Z only, and with the end: Layers. Days, both included: i5. A month: Omni."""


def wrong_with(answer: Any) -> str:
    """Return which field an answer refuses, and why; of a batch, in its first result."""
    if answer.status_code in (200, 201):
        (first, *_) = answer.json().get("results") or [{}]
        return str(first.get("reason", ""))
    assert error(answer) == (422, "VALIDATION")
    ((name, (said,)),) = details(answer)["fields"].items()
    return f"{name}: {said}"


each_door = pytest.mark.parametrize("door", ASKED, ids=" ".join)


class TestMoments:
    def test_are_taken_by_these_doors_alone(self) -> None:
        """Whoever adds a door that takes a moment says here how it is asked."""
        assert moments_taken() == ASKED.keys() | BY_CONTRACT

    @each_door
    @pytest.mark.parametrize("form", FORMS)
    def test_are_read_in_every_form(
        self, world: World, door: tuple[str, str, str], form: str
    ) -> None:
        answer = ASKED[door](world, form.format("2026-05-10T12:00:00"))

        assert answer.status_code in (200, 201), answer.json()
        assert not wrong_with(answer)

    @each_door
    def test_are_read_in_every_offset(self, world: World, door: tuple[str, str, str]) -> None:
        answer = ASKED[door](world, "2026-05-10T17:30:00+05:30")

        assert answer.status_code in (200, 201), answer.json()
        assert not wrong_with(answer)

    @each_door
    @pytest.mark.parametrize("text", ["2026-05-10T12:00:00 00:00", "2026-05-10T12:00:00"])
    def test_say_what_is_missing(self, world: World, door: tuple[str, str, str], text: str) -> None:
        """A `+` of a query arrives as a space where nobody encoded it."""
        answer = ASKED[door](world, text)

        said = wrong_with(answer)
        assert said.split(": ")[0].endswith(door[2])
        assert "%2B" in said


class TestWindows:
    def test_follow_each_other_with_each_event_once(self, world: World) -> None:
        noon = "2026-05-10T12:00:00+00:00"

        assert world.events(until=noon) == {"before"}
        assert world.events(since=noon) == {"noon", "after"}
        assert world.events(since=noon, until="2026-05-10T14:00:00.000001+02:00") == {"noon"}
        assert world.events(since=noon, until=noon) == set()

    def test_of_layers_end_with_their_moment(self, world: World) -> None:
        funded = {"since": "2026-05-10T12:00:00.000Z", "until": "2026-05-10T12:00:00.000Z"}

        assert len(ok(world.boss.get("/credits/events", **funded))["items"]) == 1

    def test_of_days_include_their_last(self, world: World) -> None:
        first, second = (
            api.client.get("/api/usage", {"startDate": day, "endDate": day}).json()
            for api, day in ((world.backend, "2026-05-10"), (world.backend, "2026-05-09"))
        )

        assert [row["totalEvents"] for row in first["usageSummary"]] == [3]
        assert second["usageSummary"] == []
