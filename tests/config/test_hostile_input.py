"""Hostile input is answered with 4xx and changes nothing: never 5xx, never a quiet success."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pytest
from django.urls import resolve
from django.utils import timezone

from credits.models import Reservation
from organizations.doors import ApiView, Operation
from organizations.scopes import ORG_ADMIN
from tests import factories as f
from tests.config import hostile
from tests.config.hostile import DOORS, Door
from tests.database import fingerprint
from tests.kept import Kept
from tests.organizations.people import client
from tests.routes import views
from tests.usage import people
from usage import services as usage
from usage.pricing import Tokens
from usage.services import Work

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    """An organization whose key opens everything, and what paths and bodies may name."""

    def __init__(self) -> None:
        now = timezone.now()
        self.owner = f.make_organization("Owner", funded=1_000, now=now, recharge_limit=1_000)
        child = f.make_organization("Child", parent=self.owner, funded=1_000, now=now)
        ana = people.make_actor(self.owner, "Ana", now=now, external_id="u-1")
        people.make_actor(child, "Ben", now=now, external_id="u-1")
        team = people.make_group(self.owner, "team", ana)
        people.make_group(self.owner, "acme", kind="entity")
        self.model = people.make_model("haiku")
        people.set_price(self.model, 1, "web_searches")
        self.key = f.make_key(self.owner, scopes=["*", ORG_ADMIN], now=now)[1]
        self.personal_key = f.make_key(self.owner, actor=ana, now=now)[1]
        self.names = {
            "org": child.public_id,
            "key": f.make_key(child, now=now)[0].public_id,
            "rsv": self.hold().public_id,
            "grn": f.grant(child, 5, now=now).grants.get().public_id,
            "act": ana.public_id,
            "grp": team.public_id,
            "profile": str(people.make_profile(self.owner, "night", cap=5).id),
            "entity_type": "app",
            "entity": "a1",
            "now": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }

        self.settled = f.settle(self.hold(), 5, now=now).public_id

    def hold(self) -> Reservation:
        tokens = Tokens(input=1_000, output=1_000)
        work = Work(self.owner, model=self.model, tokens=tokens)
        found = usage.reserve(work=work, performed_by="key_of_the_owner", now=timezone.now())
        assert isinstance(found, Reservation), found
        return found

    def fill(self, value: Any) -> Any:
        """Return `value` with the names in it replaced: `{"userId": "{act}"}`."""
        if isinstance(value, dict):
            return {name: self.fill(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        named = isinstance(value, str) and re.fullmatch(r"{(\w+)}", value)
        return self.names.get(named[1], value) if named else value

    def path(self, door: Door, **changes: str) -> str:
        settled = {"rsv": self.settled} if door.path.endswith("/refund") else {}
        return door.path.format(**self.names | settled | changes)

    def body(self, door: Door, body: dict[str, Any] | None = None) -> bytes:
        """Return the bytes of a body, by default a good one."""
        if not door.fields:
            return b""
        # json writes what a hostile client would: lone surrogates as escapes, floats as they are.
        return json.dumps(self.fill(door.body() if body is None else body)).encode()

    def send(self, door: Door, path: str = "", body: bytes | None = None, **headers: str) -> Any:
        """Send a good request, but for what is given."""
        content_type = headers.pop("content_type", "application/json")
        key = self.personal_key if door.personal else self.key
        caller: Any = client(key, **{"idempotency_key": "hostile"} | headers)
        content = self.body(door) if body is None else body
        return caller.generic(
            door.method, path or self.path(door), content, content_type=content_type
        )


KEPT = Kept("hostile_input", World)


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("config.throttling.limit_of", lambda *_: None)
    return KEPT.get()


Attempt = tuple[Any, Callable[[], Any]]


def refusals(attempts: Iterable[Attempt]) -> int:
    """Send each, check that the answer is a refusal for what was sent, and return how many there were."""
    count = 0
    for sent, send in attempts:
        answer = send()
        count += 1
        said = f"{str(sent)[-300:]!r} → {answer.status_code} {answer.content[:300]!r}"
        if answer.status_code == 200 and rejected_one_by_one(answer.json()):
            continue
        assert 400 <= answer.status_code < 500, said
        assert answer.status_code not in (401, 402, 403, 429), said
        assert answer.json().keys() & {"error", "detail"}, said
    return count


def rejected_one_by_one(said: dict[str, Any]) -> bool:
    """Whether an answer refuses each entry of a batch, with a reason."""
    results = said.get("results", [])
    return bool(results) and all(e["status"] == "rejected" and e["reason"] for e in results)


def operation_of(door: Door) -> Operation:
    view: Any = resolve(re.sub(r"{\w+}", "x", door.path)).func
    found = view.cls.operation_for(door.method)
    assert isinstance(found, Operation)
    return found


each_door = pytest.mark.parametrize("door", DOORS, ids=str)


class TestDoors:
    def test_are_all_the_doors_there_are(self) -> None:
        """Whoever adds a door adds its line to `DOORS`."""
        declared = {
            (method.upper(), "/" + re.sub(r"<str:(\w+?)(_id)?>", r"{\1}", path))
            for path, view in views()
            if issubclass(getattr(view, "cls", object), ApiView)
            for method in view.cls.http_method_names
            if view.cls.operation_for(method.upper()) and method != "head"
        }

        assert {(door.method, door.path) for door in DOORS} == declared


class TestEveryDoor:
    @each_door
    def test_answers_when_nothing_is_hostile(self, world: World, door: Door) -> None:
        """The control: what is refused below is refused for what is hostile in it."""
        answer = world.send(door)

        assert answer.status_code in (200, 201), answer.content

    @each_door
    @pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.slow)])
    def test_refuses_whatever_is_hostile(self, world: World, door: Door, share: int) -> None:
        """Of everything hostile every fourth, another one at each door; all of it is for `make test-slow`."""
        before = fingerprint()

        tried = hostile_requests(world, door)
        count = refusals(islice(tried, DOORS.index(door) % share, None, share))

        assert count > (len(hostile.QUERIES) + len(hostile.ACTING)) / share
        assert fingerprint() == before

    @each_door
    def test_survives_the_ends_of_what_is_legal(self, world: World, door: Door) -> None:
        bodies = [{"body": world.body(door, body)} for body in door.extreme()]
        queries = [{"path": f"{world.path(door)}?{query}"} for query in door.extreme_queries()]
        changes: list[dict[str, Any]] = [*bodies, *queries]

        for number, change in enumerate(changes):
            answer = world.send(door, idempotency_key=str(number), **change)

            assert answer.status_code < 500, (change, answer.content)


def hostile_requests(world: World, door: Door) -> Iterator[Attempt]:
    """Yield (what is hostile, how to send it) for everything that can be hostile in a request."""

    def attempt(sent: Any, **change: Any) -> Attempt:
        return sent, lambda: world.send(door, **change)

    for query in door.bad_queries():
        yield attempt(query, path=f"{world.path(door)}?{query}")
    for path in hostile_paths(world, door):
        yield attempt(path, path=path)
    for text in hostile.ACTING:
        yield attempt(text, x_layers_organization=text)
    for kind in hostile.CONTENT_TYPES:
        path = f"{world.path(door)}?nobody=%C3%A9"
        yield attempt(kind, path=path, content_type=kind)
    if door.fields:
        for fields in door.bad():
            yield attempt(fields, body=world.body(door, fields))
    if door.method in ("POST", "PATCH", "PUT"):
        for sent, change in hostile_writes(world, door):
            yield attempt(sent, **change)


def hostile_writes(world: World, door: Door) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield (what is hostile, what of the request it changes) for what only a write has."""
    ignores_key = operation_of(door).idempotency == "ignored"
    if door.fields or not ignores_key:
        for body in hostile.BODIES:
            yield body, {"body": body}
    for kind in hostile.CONTENT_TYPES:
        yield kind, {"body": world.body(door) or b'{"a":1}', "content_type": kind}
    if not ignores_key:
        for key in hostile.IDEMPOTENCY_KEYS:
            yield key, {"idempotency_key": key}


def hostile_paths(world: World, door: Door) -> Iterator[str]:
    """Yield the door's path with each of its names replaced by each hostile one."""
    for name in re.findall(r"{(\w+)}", door.path):
        texts = hostile.PATH_TEXTS if name == "entity" else hostile.PATH_IDS
        for text in texts:
            yield world.path(door, **{name: text}).replace("'", "%27")
