"""How every path of the Omni contract refuses: who may come in, how often, with how much, and in which words."""

from typing import Any

import pytest
import time_machine

from credits.services import create_actor
from organizations.models import Organization
from organizations.scopes import CREDITS_READ, ORG_ADMIN, USAGE_READ, USAGE_WRITE
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.usage import omni as o
from tests.usage.omni import CONTROLS, ENTITY_GROUPS, NOBODY, USAGE, USER_GROUPS, USERS, refused
from usage.services import controls

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

DOORS: list[tuple[str, str, Any]] = [
    ("get", CONTROLS, None),
    ("patch", CONTROLS, {"shutoffCredits": 5}),
    ("get", USERS, None),
    ("patch", USERS, {"users": [{"userId": NOBODY, "creditLimit": 5}]}),
    ("get", ENTITY_GROUPS, None),
    ("patch", ENTITY_GROUPS, {"entityGroups": [{"entity": "nobody", "creditLimit": 5}]}),
    ("get", USER_GROUPS, None),
    ("patch", USER_GROUPS, {"userGroups": [{"userGroupId": NOBODY, "creditLimit": 5}]}),
    ("post", f"{USAGE}/users", {"userIds": [NOBODY]}),
    ("post", f"{USAGE}/entity-groups", {"entities": ["nobody"]}),
    ("post", f"{USAGE}/user-groups", {"userGroupIds": [NOBODY]}),
]
BULK = [(method, path) for method, path, _ in DOORS if method != "get" and path != CONTROLS]

each_door = pytest.mark.parametrize(
    ("method", "path", "body"), DOORS, ids=[f"{method} {path}" for method, path, _ in DOORS]
)


def call(caller: Caller, method: str, path: str, body: Any) -> Any:
    return caller.get(path) if method == "get" else getattr(caller, method)(path, body)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization()


class TestEveryDoor:
    @each_door
    def test_is_closed_without_a_key(self, method: str, path: str, body: Any) -> None:
        for secret in (None, "lp_live_nobody"):
            refused(call(Caller(secret), method, path, body), 401)

    @each_door
    def test_needs_the_scope_to_manage(
        self, organization: Organization, method: str, path: str, body: Any
    ) -> None:
        without = caller_of(organization, CREDITS_READ, USAGE_READ, USAGE_WRITE, ORG_ADMIN)

        assert "manage" in refused(call(without, method, path, body), 403)
        assert call(caller_of(organization, "manage"), method, path, body).status_code in (200, 404)

    @each_door
    def test_is_closed_to_personal_keys(
        self, organization: Organization, method: str, path: str, body: Any
    ) -> None:
        ana = create_actor(organization=organization, name="Ana", now=f.NOW)
        _, secret = f.make_key(organization, actor=ana)

        refused(call(Caller(secret), method, path, body), 403)

    @each_door
    def test_is_closed_where_ai_is_not_enabled(
        self, organization: Organization, method: str, path: str, body: Any
    ) -> None:
        admin = caller_of(organization)
        sentence = "AI query generation is not enabled for this organization"

        for terms in ({"ai_enabled": False}, {"ai_enabled": True, "entitled_until": f.NOW}):
            Organization.objects.filter(id=organization.id).update(**terms)
            assert refused(call(admin, method, path, body), 403) == sentence

        Organization.objects.filter(id=organization.id).update(entitled_until=f.later(seconds=1))
        assert call(admin, method, path, body).status_code in (200, 404)

    @each_door
    def test_says_in_its_own_words_that_the_organization_is_suspended(
        self, method: str, path: str, body: Any
    ) -> None:
        _, child = f.make_family()
        key = caller_of(child)
        f.suspend(child)

        answer = call(key, method, path, body)

        assert answer.status_code == 503
        assert answer.json() == {"error": "503", "message": f"{child.public_id} is suspended"}

    @each_door
    def test_refuses_a_foreign_organization_to_act_for(
        self, organization: Organization, method: str, path: str, body: Any
    ) -> None:
        stranger = f.make_organization("Stranger")

        acting = caller_of(organization, acting=stranger)

        assert refused(call(acting, method, path, body), 404) == "not found"

    @each_door
    def test_keeps_its_own_errors_to_itself(
        self,
        organization: Organization,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
        path: str,
        body: Any,
    ) -> None:
        def break_down(*_: Any, **__: Any) -> None:
            raise KeyError("secret")

        monkeypatch.setattr(controls, "require_ai_enabled", break_down)
        admin = caller_of(organization)

        answer = call(admin, method, path, body)

        assert answer.status_code == 500
        assert set(answer.json()) == {"error", "message"}
        assert answer.json()["error"] == "500"
        assert b"secret" not in answer.content


class TestRate:
    def test_is_sixty_a_minute_and_key_over_all_doors(
        self, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        admin, other = (caller_of(organization) for _ in range(2))
        answers = [call(admin, *DOORS[n % len(DOORS)]) for n in range(60)]

        limited = admin.get(CONTROLS)

        assert {answer.status_code for answer in answers} == {200, 404}
        assert answers[0]["X-RateLimit-Endpoint-Class"] == "omni"
        assert answers[0]["X-RateLimit-Limit"] == "60"
        assert limited.status_code == 429
        assert set(limited.json()) == {"error", "message"}
        assert limited.json()["error"] == "429"
        assert int(limited["Retry-After"]) > 0
        ok(other.get(CONTROLS))
        ok(admin.get("/credits"))


class TestSize:
    @pytest.mark.parametrize(("method", "path"), BULK)
    def test_may_be_two_megabytes(self, organization: Organization, method: str, path: str) -> None:
        admin = caller_of(organization)
        megabytes = 2 * 1024 * 1024

        for size, status in ((megabytes, 400), (megabytes + 1, 413)):
            text = '{"nobody": 1}'.ljust(size)
            answer = admin.client.generic(
                method.upper(), f"/api/v1{path}", text, content_type="application/json"
            )
            assert answer.status_code == status

    def test_may_be_64_kilobytes_for_the_controls(self, organization: Organization) -> None:
        text = '{"shutoffCredits": 5}'.ljust(64 * 1024 + 1)

        answer = caller_of(organization).client.generic(
            "PATCH", f"/api/v1{CONTROLS}", text, content_type="application/json"
        )

        assert error(answer) == (413, "PAYLOAD_TOO_LARGE")


class TestArchived:
    def test_is_read_but_not_changed_by_the_parent(self) -> None:
        parent, child = f.make_family()
        ana = o.make_user(child)
        ok(caller_of(child).patch(USERS, {"users": [{"userId": str(ana.id), "creditLimit": 5}]}))
        f.archive(child)
        acting = caller_of(parent, acting=child)

        assert ok(acting.get(USERS))["pageInfo"]["totalRecords"] == 1
        answer = acting.patch(CONTROLS, {"shutoffCredits": 5})
        assert (answer.status_code, answer.json()["status"]) == (409, 409)
        assert answer.json()["detail"] == f"Conflict: {child.public_id} is archived"
