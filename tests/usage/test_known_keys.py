"""A key that the process knows decides nothing: whatever was edited meanwhile is obeyed by the very next request, and the answer is that
of a process that knows nothing.

The edits are made past everything that the process keeps, so they are those of another process.
"""

import logging
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from config.bodies import BodyWanted
from config.parsers import StrictJSONParser
from credits import services as credits_services
from organizations import claims, services, tokens
from organizations.models import ApiKey, Organization, RateCount
from organizations.recent import Recent
from organizations.scopes import ALL_SCOPES
from tests import factories as f
from tests.callers import Caller, error, ok
from tests.callers import clock as clock
from tests.organizations.test_statements import end_session
from tests.trips import round_trips
from tests.usage import people as p
from usage.services import sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

UNAUTHENTICATED = (401, "UNAUTHENTICATED")


class World:
    """A child of a parent, with an actor, and a key that the process knows."""

    def __init__(self, kind: str) -> None:
        p.make_models()
        self.parent = f.make_organization("Parent", funded=1_000)
        self.child = f.make_organization("Child", parent=self.parent)
        f.grant(self.child, 1_000)
        self.actor = p.make_actor(self.child)
        self.acts_in = self.child if kind == "acting" else None
        owner = self.parent if kind == "acting" else self.child
        options: dict[str, Any] = {"actor": self.actor} if kind == "personal" else {}
        scopes = ["*", "org:admin"] if kind == "acting" else ["*"]
        self.key, secret = f.make_key(owner, scopes=scopes, **options)
        self.caller = Caller(secret, acting=self.acts_in)
        self.held = [ok(self.caller.reserve(5), 201)["id"] for _ in range(2 * len(DOORS))]
        ok(self.check())
        self.known = claims._kept.get(self.key.id, None)
        assert self.known is not None

    def check(self, **work: Any) -> Any:
        return self.caller.post("/usage/check", work or {"estimatedCredits": 5})

    def ask(self, door: str) -> Any:
        method, path, body = DOORS[door]
        path = path.format(id=self.held.pop() if "{id}" in path else "")
        return self.caller.get(path) if method == "get" else self.caller.post(path, body)

    def mend(self) -> None:
        """Let the key open again what it did, as far as that can be."""
        as_it_was = ApiKey.objects.filter(id=self.key.id)
        ends = ("revoked_at", "expires_at", "superseded_by", "rotated_at", "grace_until")
        names = ("scopes", "rate_limit_tier", "secret_hash")
        as_it_was.update(**dict.fromkeys(ends), **{name: getattr(self.key, name) for name in names})
        f.resume(self.child)
        f.resume(self.parent)

    def by_claim(self, ask: Callable[[], Any]) -> Any:
        """Ask with the key as it was known before everything."""
        assert self.known is not None
        claims._kept.put(self.key.id, self.known)
        return ask()

    def by_looking_up(self, ask: Callable[[], Any]) -> Any:
        claims._kept.clear()
        return ask()


DOORS: dict[str, tuple[str, str, Any]] = {
    "check": ("post", "/usage/check", {"estimatedCredits": 5}),
    "reserve": ("post", "/usage/reservations", {"estimatedCredits": 5}),
    "read": ("get", "/usage/reservations/{id}", None),
    "settle": ("post", "/usage/reservations/{id}/settle", {"credits": 3}),
    "release": ("post", "/usage/reservations/{id}/release", None),
    "extend": ("post", "/usage/reservations/{id}/extend", {"expiresInSeconds": 900}),
    "grow": ("post", "/usage/reservations/{id}/grow", {"estimatedCredits": 7}),
}


def change_key(**columns: Any) -> Callable[[World], Any]:
    return lambda world: ApiKey.objects.filter(id=world.key.id).update(**columns)


def change_child(**changes: Any) -> Callable[[World], Any]:
    def change(world: World) -> None:
        credits_services.update_organization(
            organization=world.child, changes=changes, now=f.NOW, performed_by=f.STAFF
        )

    return change


EDITS: dict[str, Callable[[World], Any]] = {
    "nothing": lambda world: None,
    "revoked": lambda world: services.revoke_key(key=world.key, now=f.NOW),
    "expired": change_key(expires_at=f.NOW),
    "rotated as leaked": lambda world: services.rotate_key(
        key=world.key, now=f.NOW, leaked=True, reach=ALL_SCOPES
    ),
    "another secret": change_key(secret_hash=b"x" * 32),
    "another tier": change_key(rate_limit_tier=ApiKey.Tier.STANDARD),
    "other scopes": change_key(scopes=["credits:read"]),
    "only reads": change_key(scopes=["usage:read"]),
    "child suspended": lambda world: f.suspend(world.child),
    "parent suspended": lambda world: f.suspend(world.parent),
    "child archived": lambda world: f.archive(world.child),
    "actor left": lambda world: p.set_active(world.actor, False),
    "no AI": change_child(ai_enabled=False),
    "own keys": change_child(byok=True),
    "capped": lambda world: f.set_terms(world.child, monthly_cap=5),
    "gone": lambda world: ApiKey.objects.filter(id=world.key.id).delete(),
}


def told(answer: Any, *, whole: bool = True) -> Any:
    """Return what an answer says, but for what every answer has of its own."""
    headers = {name: value for name, value in answer.items() if name.lower() != "x-request-id"}
    body = answer.json()
    if "error" in body:
        body["error"].pop("requestId", None)
        whole = whole or answer.status_code != 402
    if not whole:
        body = {
            name: body.get(name) for name in ("status", "credits", "settledCredits", "decision")
        }
        headers.pop("Content-Length", None)
    return answer.status_code, headers, body


@pytest.fixture(params=["its own", "personal", "acting"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    claims._kept.clear()
    yield World(request.param)
    claims._kept.clear()


@pytest.mark.parametrize("edit", EDITS)
def test_obeys_at_once(world: World, edit: str) -> None:
    EDITS[edit](world)

    for door in DOORS:
        known = world.by_claim(lambda: world.ask(door))  # noqa: B023 — asked at once
        unknown = world.by_looking_up(lambda: world.ask(door))  # noqa: B023
        assert told(known, whole=door == "check") == told(unknown, whole=door == "check"), door


@pytest.mark.parametrize(
    "edit", ["revoked", "expired", "rotated as leaked", "another secret", "gone"]
)
def test_of_a_key_that_ended_nothing_is_done(world: World, edit: str) -> None:
    EDITS[edit](world)

    for door in DOORS:
        assert error(world.by_claim(lambda: world.ask(door))) == UNAUTHENTICATED  # noqa: B023

    assert not RateCount.objects.exists()


@pytest.mark.parametrize("seed", range(6))
def test_answers_alike_after_anything(seed: int, settings: Any) -> None:
    rng = random.Random(seed)
    settings.RATE_LIMIT_REQUEST_PATH = rng.choice([None, 1_000_000])
    world = World(rng.choice(["its own", "personal", "acting"]))
    edits = [edit for edit in EDITS if edit not in ("gone", "child archived")]
    bodies: list[Any] = [
        {"estimatedCredits": 5},
        {"model": "sonnet", "inputTokens": 9, "maxOutputTokens": 9},
        {"model": "nobody", "estimatedCredits": 1},
        {"actorId": world.actor.public_id, "estimatedCredits": 2},
        {"estimatedCredits": 100_000},
        {"estimated": 1},
        {},
    ]
    for _ in range(12):
        EDITS[rng.choice(edits)](world)
        body = rng.choice(bodies)

        def ask(body: Any = body) -> Any:
            RateCount.objects.all().delete()
            return world.caller.post("/usage/check", body)

        assert told(world.by_claim(ask)) == told(world.by_looking_up(ask))
        world.mend()
        if rng.random() < 0.5:
            world.known = claims._kept.get(world.key.id, world.known)


@pytest.fixture
def own() -> World:
    claims._kept.clear()
    return World("its own")


class TestClaim:
    def test_needs_the_secret(self, own: World) -> None:
        forged = Caller(tokens.new(env="live", key_id=own.key.id))

        with round_trips() as trips:
            assert error(forged.post("/usage/check", {"estimatedCredits": 1})) == UNAUTHENTICATED

        assert trips.count == 1  # the lookup

    def test_asks_once(self, own: World) -> None:
        with round_trips() as trips:
            ok(own.check())

        assert trips.count == 1, trips

    def test_asks_anew_after_a_lost_connection(self, own: World) -> None:
        end_session()

        assert ok(own.check())

    def test_counts_each_request_once(self, own: World, settings: Any) -> None:
        settings.RATE_LIMIT_REQUEST_PATH = 4
        bodies = [{"estimatedCredits": 5}, {"nonsense": 1}, {"estimatedCredits": 5}, {}, {}, {}]
        answers = [own.caller.post("/usage/check", body) for body in bodies]

        assert [each.status_code for each in answers] == [200, 422, 200, 422, 429, 429]
        left = [int(each["X-RateLimit-Remaining"]) for each in answers]
        assert left == [3, 2, 1, 0, 0, 0]

    def test_that_is_one_too_many_is_refused_by_the_statement(
        self, own: World, settings: Any
    ) -> None:
        settings.RATE_LIMIT_REQUEST_PATH = 1
        ok(own.check())

        with round_trips() as trips:
            refused = own.check()

        assert error(refused) == (429, "RATE_LIMITED")
        assert int(refused["Retry-After"]) > 0
        assert trips.count == 1, trips

    def test_of_a_reader_who_may_not_write_is_looked_up(self, own: World) -> None:
        """Whatever is refused by what is kept is asked again first."""
        ApiKey.objects.filter(id=own.key.id).update(scopes=["credits:read"])
        assert error(own.check()) == (403, "FORBIDDEN_SCOPE")

        ApiKey.objects.filter(id=own.key.id).update(scopes=["*"])

        assert ok(own.check())

    def test_does_not_wait_for_a_body(self, own: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before a body is waited for the key is looked up, and the request counted for whose it is."""

        def stays_away(*_: Any) -> Any:
            raise BodyWanted

        monkeypatch.setattr(StrictJSONParser, "parse", stays_away)
        with round_trips() as trips, pytest.raises(BodyWanted):
            own.check()

        assert trips.count == 1

        services.revoke_key(key=own.key, now=f.NOW)

        assert error(own.check()) == UNAUTHENTICATED

    def test_ends_with_the_minute_in_which_its_use_was_noted(
        self, own: World, clock: time_machine.Traveller
    ) -> None:
        clock.move_to(f.NOW + timedelta(minutes=1))

        ok(own.check())

        own.key.refresh_from_db()
        assert own.key.last_used_at == f.NOW + timedelta(minutes=1)
        with round_trips() as trips:
            ok(own.check())
        assert trips.count == 1, trips

    def test_names_in_the_log_nobody_whose_key_ended(
        self, own: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        services.revoke_key(key=own.key, now=f.NOW)
        with caplog.at_level(logging.INFO, "purser.access"):
            own.check()

        assert own.key.public_id not in caplog.text
        assert "401 UNAUTHENTICATED - -" in caplog.text

    def test_belongs_to_one_request(self, own: World) -> None:
        """What a request changes of its key, and of whose it is, no other one sees."""
        assert own.known is not None
        one, other = (claims.Claim(own.known, lambda *_: None, f.NOW).key for _ in range(2))
        one.organization.status = "suspended"
        one.organization.parent.name = "Another"  # type: ignore[union-attr]

        assert other.organization.status == "active"
        assert other.organization.parent.name == "Parent"  # type: ignore[union-attr]

    def test_is_kept_of_so_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept: Recent[Any, Any] = Recent(2)
        monkeypatch.setattr(claims, "_kept", kept)
        organization = f.make_organization(funded=10)
        for _ in range(4):
            _, secret = f.make_key(organization)
            ok(Caller(secret).post("/usage/check", {"estimatedCredits": 1}))

        assert len(kept) == 2

    def test_of_a_sandbox_key_goes_where_the_key_goes(self) -> None:
        """A reset moves test keys on, to another organization."""
        live: Organization = f.make_organization(funded=10)
        _, secret = f.make_key(live, env="test")
        caller = Caller(secret)
        before = ok(caller.reserve(1), 201)["id"]
        ok(caller.get(f"/usage/reservations/{before}"))

        sandbox.reset_sandbox(organization=live, now=f.NOW)

        assert error(caller.get(f"/usage/reservations/{before}")) == (404, "NOT_FOUND")
