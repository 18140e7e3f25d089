"""Every principal at every door: who gets in, and that a refusal tells and changes nothing."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient
from simple_history.models import HistoricalChanges

from credits import services
from credits.models import LedgerEntry, Reservation
from credits.services.calendar import CALENDAR
from organizations import ids, tokens
from organizations.doors import ApiView
from organizations.ids import new_id, write
from organizations.models import Actor, ApiKey, Group, Organization, UsageProfile
from organizations.scopes import ORG_ADMIN
from tests import factories as f
from tests.authorization import (
    FREE_TEXT,
    GROUP,
    MATRIX,
    MAY_NOT_SEE_CREDIT_CONFIG,
    NO_KEY,
    OK,
    OPEN,
    PRINCIPALS,
    SETTLED,
    SUSPENDED,
    WITH_KEY,
    Door,
)
from tests.database import fingerprint
from tests.routes import views
from tests.usage import people as p
from usage.services import groups, profiles

# One after another in one process, which makes one world for all of them.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("authorization")]

HISTORIES: list[Any] = [
    model for model in apps.get_models() if issubclass(model, HistoricalChanges)
]
"""What is kept of the changes of each model that people edit."""

KEEPS_NO_HISTORY = ("/check", "/reservations", "/events", "/credit-usage", "/credits", "refresh")
"""Parts of the paths of doors that change no row that people edit: they spend, tell, move credits, or only ask by POST."""

NOTHING_TO_DO = {"POST /api/v1/organizations/{org}/resume", f"DELETE {GROUP}/members/{{act}}"}
"""What is undone there was not done in this world."""

EDITS = {
    str(door)
    for door in MATRIX
    if door.method != "GET" and not any(part in door.path for part in KEEPS_NO_HISTORY)
} - NOTHING_TO_DO

CAP = 4_321_987
"""Of Nordwind: a number that must not reach whoever may not see the credit config."""


class World:
    """A reseller with four customers, a stranger with one, and everybody's way to ask."""

    def __init__(self) -> None:
        self.now = timezone.now()
        self.reseller = self.make("Reseller", recharge_limit=1_000)
        self.nordwind = self.child_of(self.reseller, monthly_cap=CAP)
        self.sibling = self.child_of(self.reseller)
        self.stranger = self.make("Stranger", recharge_limit=1_000)
        self.strangers_child = self.child_of(self.stranger)
        self.admin = self.key(self.reseller, "*", ORG_ADMIN)
        self.clients: dict[str, APIClient] = {}

    def make(self, name: str, **terms: Any) -> Organization:
        return f.make_organization(name, funded=1_000, now=self.now, **terms)

    def child_of(self, parent: Organization, **terms: Any) -> Organization:
        return self.make("Customer", parent=parent, **terms)

    def key(self, organization: Organization, *scopes: str, **options: Any) -> str:
        return f.make_key(organization, scopes=scopes, now=self.now, **options)[1]

    def actor(self, organization: Organization, **fields: Any) -> Actor:
        return services.create_actor(organization=organization, name="Ana", now=self.now, **fields)

    def group(self, organization: Organization, kind: str = "team") -> Group:
        return groups.create_group(
            organization=organization, kind=kind, key=str(new_id()), name="Art", now=self.now
        )

    def profile(self, organization: Organization) -> UsageProfile:
        return profiles.create_profile(
            organization=organization,
            name="Night",
            slug=f"p-{new_id()}",
            performed_by=f.STAFF,
            now=self.now,
        )

    def things_of(self, organization: Organization, names: Iterable[str]) -> dict[str, str]:
        """Return what a request may name of an organization: itself, and things of it, made for this request."""
        makers: Mapping[str, Callable[[], str]] = {
            "org": lambda: organization.public_id,
            "key": lambda: f.make_key(organization, now=self.now)[0].public_id,
            "rsv": lambda: p.hold(p.work(organization, 5), now=self.now).public_id,
            "grn": lambda: f.grant(organization, 1, now=self.now).grants.get().public_id,
            "act": lambda: self.actor(organization).public_id,
            "grp": lambda: self.group(organization).public_id,
            "entity_key": lambda: self.group(organization, "entity").key,
            "profile": lambda: str(self.profile(organization).id),
            "entity_type": lambda: "app",
            "entity": lambda: "sales",
        }
        made = {name: makers[name]() for name in names if name != SETTLED}
        if SETTLED in names:
            hold = Reservation.objects.get(id=ids.read("rsv", made["rsv"]))
            f.settle(hold, 5, now=self.now)
        return made

    def foreign_to(self, principal: str) -> Organization:
        """Return an organization that exists, and is not the principal's to act in."""
        return self.nordwind if principal in ("sibling", "stranger") else self.strangers_child

    def client(self, principal: str) -> APIClient:
        if principal not in self.clients:
            self.clients[principal] = self._make_client(principal)
        return self.clients[principal]

    def ask(self, principal: str, door: Door, things: dict[str, str], **headers: Any) -> Any:
        """Send what the door would take, as a principal. No two requests share an Idempotency-Key."""
        body = "" if door.body is None else json.dumps(door.body)
        for name, text in things.items():
            body = body.replace("{" + name + "}", text)
        return self.client(principal).generic(
            door.method,
            door.path.format(**things),
            body.replace("UNIQUE", str(new_id())),
            content_type="application/json",
            HTTP_IDEMPOTENCY_KEY=str(new_id()),
            **headers,
        )

    def _make_client(self, principal: str) -> APIClient:
        make: Mapping[str, Callable[[], APIClient]] = {
            "nobody": APIClient,
            "garbage": lambda: with_key("lp_live_garbage"),
            "revoked key": self._with_revoked_key,
            "expired key": lambda: with_key(
                self.key(self.nordwind, "*", expires_at=self.now - timedelta(seconds=1))
            ),
            "key of an archived child": self._with_key_of_archived_child,
            "unrevoked key of an archived child": self._with_unrevoked_key_of_archived_child,
            "personal key of an actor who left": lambda: with_key(
                self.key(self.nordwind, "*", actor=self.actor(self.nordwind, active=False))
            ),
            "staff cookie": staff,
            SUSPENDED: self._with_key_of_suspended_child,
            "reseller": lambda: with_key(self.admin),
            "reseller in nordwind": lambda: with_key(self.admin, acting=self.nordwind),
            "reseller, data only": lambda: with_key(self.key(self.reseller, "*")),
            "reseller, reading only": lambda: with_key(
                self.key(self.reseller, "credits:read", "usage:read")
            ),
            "reseller, spending only": lambda: with_key(self.key(self.reseller, "usage:write")),
            "reseller, no scopes": lambda: with_key(self.key(self.reseller)),
            "nordwind": lambda: with_key(self.key(self.nordwind, "*")),
            "nordwind, org:admin": lambda: with_key(self.key(self.nordwind, "*", ORG_ADMIN)),
            "nordwind, personal": lambda: with_key(
                self.key(self.nordwind, "*", actor=self.actor(self.nordwind))
            ),
            "sibling": lambda: with_key(self.key(self.sibling, "*")),
            "stranger": lambda: with_key(self.key(self.stranger, "*", ORG_ADMIN)),
            "reseller, test": lambda: with_key(self.key(self.reseller, "*", ORG_ADMIN, env="test")),
            "nordwind, test": lambda: with_key(self.key(self.nordwind, "*", env="test")),
        }
        return make[principal]()

    def _with_revoked_key(self) -> APIClient:
        key, secret = f.make_key(self.nordwind, now=self.now)
        ApiKey.objects.filter(id=key.id).update(revoked_at=self.now)
        return with_key(secret)

    def _with_key_of_suspended_child(self) -> APIClient:
        child = self.child_of(self.reseller)
        secret = self.key(child, "*")
        f.suspend(child, now=self.now)
        return with_key(secret)

    def _with_key_of_archived_child(self) -> APIClient:
        child = self.child_of(self.reseller)
        secret = self.key(child, "*")
        f.archive(child, now=self.now)
        return with_key(secret)

    def _with_unrevoked_key_of_archived_child(self) -> APIClient:
        found = self._with_key_of_archived_child()
        archived = Organization.objects.filter(status="archived")
        newest = ApiKey.objects.filter(organization__in=archived).latest("id")
        ApiKey.objects.filter(id=newest.id).update(revoked_at=None)
        return found


def key_of(client: APIClient) -> ApiKey:
    """Return the key that a client sends."""
    secret = vars(client)["_credentials"]["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    return ApiKey.objects.get(id=tokens.read(secret).key_id)


def with_key(secret: str, *, acting: Organization | None = None) -> APIClient:
    found = APIClient()
    named = {} if acting is None else {"HTTP_X_LAYERS_ORGANIZATION": acting.public_id}
    found.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}", **named)
    return found


def staff() -> APIClient:
    """Return the browser of somebody who is logged in to the admin, and may do everything there."""
    user = User.objects.create(username="ana", is_staff=True, is_superuser=True)
    found = APIClient()
    found.force_login(user)
    return found


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Make the world and everybody in it, in a transaction around those of the tests, which each take back what they did."""
    with django_db_blocker.unblock(), transaction.atomic():
        made = World()
        for principal in PRINCIPALS:
            made.client(principal)
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def world(made: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("config.throttling.limit_of", lambda *_: None)
    made.now = timezone.now()
    return made


def snapshot() -> dict[str, Any]:
    """Return a fingerprint of every table. That a browser logged in is no change."""
    known = fingerprint()
    return {table: known[table] for table in known if not table.startswith(("auth_", "django_"))}


def told(answer: Any, things: Mapping[str, str]) -> tuple[int, str]:
    """Return what an answer tells, apart from its request id and the names that it was asked about."""
    text = answer.content.decode().replace(answer["x-request-id"], "REQUEST")
    for name in things.values():
        bare = re.sub(r"^[a-z]{3}_", "", name)
        text = text.replace(name, "NAME").replace(bare, "NAME")
    return answer.status_code, text


class TestMatrix:
    def test_has_every_door_of_the_api(self) -> None:
        declared = {
            f"{method.upper()} /{braced(path)}"
            for path, view in views()
            if issubclass(getattr(view, "cls", object), ApiView)
            for method in view.cls.http_method_names
            if view.cls.operation_for(method.upper()) and method != "head"
        }

        assert {str(door) for door in MATRIX} == declared
        assert len(MATRIX) == len(declared)

    def test_knows_every_path_that_needs_no_key(self) -> None:
        without = {
            path
            for path, view in views()
            if path.startswith("api/") and not issubclass(getattr(view, "cls", object), ApiView)
        }

        assert without == OPEN

    def test_says_something_of_every_principal(self) -> None:
        assert {*NO_KEY, SUSPENDED, *WITH_KEY} == set(PRINCIPALS)
        assert all(set(door.rule) == set(PRINCIPALS) for door in MATRIX)

    def test_would_show_the_cap_if_it_were_in_an_answer(self, world: World) -> None:
        """The control of what every door below is searched for."""
        door = next(door for door in MATRIX if str(door) == "GET /api/v1/organizations/{org}")

        answer = world.ask("reseller", door, world.things_of(world.nordwind, door.names))

        assert str(CAP).encode() in answer.content

    def test_has_no_grandchild_among_its_principals_because_there_is_none(
        self, world: World
    ) -> None:
        door = next(door for door in MATRIX if str(door) == "POST /api/v1/organizations")

        answer = world.ask("reseller in nordwind", door, {})

        assert answer.status_code == 422
        assert not Organization.objects.filter(parent__parent__isnull=False).exists()


@pytest.mark.parametrize("door", MATRIX, ids=str)
def test_every_door_says_who_changed_what(world: World, door: Door) -> None:
    """Whatever is kept of a change, in a history, in the ledger or with a key, names the key that asked for it."""
    who = next(who for who in WITH_KEY if door.rule[who] == OK)
    things = world.things_of(world.nordwind, door.names)
    asked_by = key_of(world.client(who)).public_id
    before = {kept: set(kept.objects.values_list("pk", flat=True)) for kept in HISTORIES}
    entries = set(LedgerEntry.objects.values_list("pk", flat=True))

    answer = world.ask(who, door, things)

    assert answer.status_code < 300, answer.content
    new = [row for kept in HISTORIES for row in kept.objects.exclude(pk__in=before[kept])]
    assert {row.history_change_reason for row in new} <= {asked_by}
    posted = LedgerEntry.objects.exclude(pk__in=entries)
    assert {entry.performed_by for entry in posted} <= {asked_by, CALENDAR}
    if str(door) in EDITS:
        assert new


@pytest.mark.parametrize("door", MATRIX, ids=str)
def test_every_door(world: World, door: Door) -> None:
    """All of it in one world. What may change it comes last."""
    it_refuses_who_may_not_and_changes_nothing(world, door)
    it_acts_in_no_foreign_organization(world, door)
    if door.names - FREE_TEXT:
        it_answers_a_foreign_id_exactly_as_a_random_one(world, door)
        it_finds_nothing_of_a_sandbox_with_a_live_key(world, door)
    it_lets_in_who_may(world, door)


def it_refuses_who_may_not_and_changes_nothing(world: World, door: Door) -> None:
    refused = [who for who in PRINCIPALS if door.rule[who] != OK]
    things = world.things_of(world.nordwind, door.names)
    before = snapshot()

    answers = {who: world.ask(who, door, things) for who in refused}

    found = {who: answer.status_code for who, answer in answers.items()}
    assert found == {who: door.rule[who] for who in refused}
    assert snapshot() == before
    assert_no_credit_config(answers)


def it_acts_in_no_foreign_organization(world: World, door: Door) -> None:
    principals = (
        "reseller",
        "nordwind",
        "nordwind, org:admin",
        "sibling",
        "stranger",
        "reseller, test",
        "nordwind, test",
    )
    things = world.things_of(world.nordwind, door.names)
    before = snapshot()

    for principal in principals:
        foreign, random = (
            told(world.ask(principal, door, things, HTTP_X_LAYERS_ORGANIZATION=acting), {})
            for acting in (world.foreign_to(principal).public_id, write("org", new_id()))
        )
        assert foreign == random, principal
        assert foreign[0] in (403, 404), (principal, foreign)
    assert snapshot() == before


def it_answers_a_foreign_id_exactly_as_a_random_one(world: World, door: Door) -> None:
    foreign = world.things_of(world.strangers_child, door.names)
    random = {name: re.sub(r"[0-9a-f-]{36}", str(new_id()), text) for name, text in foreign.items()}

    for principal in WITH_KEY:
        if principal == "stranger":
            continue
        answer = told(world.ask(principal, door, foreign), foreign)
        assert answer[0] in (403, 404), (principal, answer)
        assert answer == told(world.ask(principal, door, random), random), principal


def it_finds_nothing_of_a_sandbox_with_a_live_key(world: World, door: Door) -> None:
    """What test keys find of what is live is in the rules: nothing."""
    theirs = world.things_of(f.sandbox_of(world.nordwind, now=world.now), door.names)
    before = snapshot()

    answers = {who: world.ask(who, door, theirs) for who in WITH_KEY if "test" not in who}

    found = {who: answer.status_code for who, answer in answers.items()}
    assert set(found.values()) <= {403, 404}, found
    assert found["reseller"] == 404 or door.rule["reseller"] == 403
    assert snapshot() == before


def it_lets_in_who_may(world: World, door: Door) -> None:
    allowed = [who for who in PRINCIPALS if door.rule[who] == OK]
    if str(door) == "DELETE /api/v1/organizations/{org}":
        allowed = allowed[:1]  # what comes after it finds another world

    answers = {
        who: world.ask(who, door, world.things_of(world.nordwind, door.names)) for who in allowed
    }

    found = {who: answer.status_code for who, answer in answers.items()}
    assert found
    assert set(found.values()) <= {200, 201}, found
    assert_no_credit_config(answers)


def braced(path: str) -> str:
    """Return a path of Django's as the matrix writes it: `…/{org}` for `…/<str:org_id>`."""
    return re.sub(r"<str:([a-z_]+?)(_id)?>", r"{\1}", path)


def assert_no_credit_config(answers: Mapping[str, Any]) -> None:
    """Check that whoever may not see what the reseller set for Nordwind does not."""
    for principal in MAY_NOT_SEE_CREDIT_CONFIG:
        if principal in answers:
            assert str(CAP).encode() not in answers[principal].content, principal
            assert b"creditConfig" not in answers[principal].content, principal
