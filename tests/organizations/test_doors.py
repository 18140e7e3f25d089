"""The order of checks that every door shares, and that no door is without them."""

from typing import Any, ClassVar

import pytest
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory

from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer
from organizations.models import IdempotencyKey, Organization
from organizations.permissions import ANY_KEY
from organizations.scopes import MANAGE
from organizations.strict import StrictSerializer
from tests.organizations.people import client, client_of, key_of, keys_path, organization
from tests.routes import views

pytestmark = pytest.mark.django_db

SOMEBODY = "org_01980000-0000-7000-8000-000000000000"


class Ping(ApiView):
    @operation(ANY_KEY, answer=StrictSerializer)
    def get(self, request: Request) -> Response:
        return Response({"acting": self.acting.public_id})

    @operation(MANAGE, answer=StrictSerializer, spends=True, idempotency="required")
    def post(self, request: Request) -> Any:
        return self.once(lambda body: pytest.fail("not reached"))

    def put(self, request: Request) -> Response:
        raise AssertionError("no scope opens this")


class Forgetful(ApiView):
    """Says that it begins with a read, and does not."""

    done: ClassVar[list[str]] = []

    @operation(ANY_KEY, answer=StrictSerializer, reads_first=True)
    def post(self, request: Request) -> Any:
        def do(body: Body) -> Answer:
            self.done.append("once")
            return Answer(200, {})

        return self.once(do)


def ping(text: str, method: str = "get", **headers: str) -> Any:
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    make = getattr(APIRequestFactory(), method)
    request: HttpRequest = make("/api/v1/ping", HTTP_AUTHORIZATION=f"Bearer {text}", **named)
    response: Any = Ping.as_view()(request)
    response.render()
    return response


@pytest.fixture
def parent() -> Organization:
    return organization("Parent")


@pytest.fixture
def child(parent: Organization) -> Organization:
    return organization("Child", parent=parent)


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.data["error"]["code"]


class TestEveryRoute:
    """Deny by default: this fails when a route forgets to say who may use it."""

    def test_below_api_is_an_api_view_whose_methods_declare_a_scope(self) -> None:
        below_api = {path: view for path, view in views() if path.startswith("api/")}
        open_to_all = {"api/schema/", "api/docs/"}

        assert open_to_all <= below_api.keys()
        assert any("api-keys" in path for path in below_api)
        for path in below_api.keys() - open_to_all:
            view = below_api[path].cls
            assert issubclass(view, ApiView), path
            methods = [name for name in view.http_method_names if hasattr(view, name)]
            assert methods, path
            for method in methods:
                declared = view.operation_for(method.upper())
                assert declared is not None, f"{method} {path}"
                assert declared.scopes, f"{method} {path}"


class TestReadsFirst:
    def test_does_nothing_by_a_key_that_nobody_asked_for(self, parent: Organization) -> None:
        text = key_of(parent)[1]
        Forgetful.done.clear()
        for count in (1, 2, 3):  # from the second on the key is known
            request = APIRequestFactory().post("/", HTTP_AUTHORIZATION=f"Bearer {text}")

            assert Forgetful.as_view()(request).status_code == 200

            assert len(Forgetful.done) == count


class TestScope:
    def test_opens_what_any_key_may_see(self, parent: Organization) -> None:
        assert ping(key_of(parent, scopes=[])[1]).status_code == 200

    def test_closes_a_method_that_declares_none(self, parent: Organization) -> None:
        assert code(ping(key_of(parent)[1], "put")) == (403, "FORBIDDEN_SCOPE")

    def test_closes_what_the_key_has_no_scope_for(self, parent: Organization) -> None:
        assert code(ping(key_of(parent, scopes=["usage:read"])[1], "post")) == (
            403,
            "FORBIDDEN_SCOPE",
        )

    def test_is_not_asked_for_a_method_that_does_not_exist(self, parent: Organization) -> None:
        response = ping(key_of(parent)[1], "delete")

        assert code(response) == (405, "METHOD_NOT_ALLOWED")
        assert "DELETE" not in response["Allow"]


class TestSuspension:
    def test_closes_every_door_to_the_organizations_own_keys(self, parent: Organization) -> None:
        text = key_of(organization(parent=parent, status="suspended"))[1]

        for method in ("get", "post", "put", "delete"):
            assert code(ping(text, method)) == (503, "KILL_SWITCH")

    def test_lets_the_parent_read_but_not_spend(self, parent: Organization) -> None:
        child = organization(parent=parent, status="suspended")
        text = key_of(parent)[1]

        reads = ping(text, x_layers_organization=child.public_id)
        spends = ping(text, "post", x_layers_organization=child.public_id)

        assert reads.data == {"acting": child.public_id}
        assert code(spends) == (503, "KILL_SWITCH")

    def test_lets_nobody_spend_for_an_archived_child(self, parent: Organization) -> None:
        child = organization(parent=parent, status="archived")
        text = key_of(parent)[1]

        spends = ping(text, "post", x_layers_organization=child.public_id)

        assert code(spends) == (409, "CONFLICT")


class TestActing:
    def test_is_the_keys_own_organization(self, parent: Organization) -> None:
        assert ping(key_of(parent)[1]).data == {"acting": parent.public_id}

    def test_may_name_its_own(self, child: Organization) -> None:
        text = key_of(child, scopes=[])[1]

        response = ping(text, x_layers_organization=child.public_id)

        assert response.data == {"acting": child.public_id}

    def test_may_name_a_child_also_by_its_bare_id(
        self, parent: Organization, child: Organization
    ) -> None:
        text = key_of(parent)[1]

        for name in (child.public_id, str(child.id)):
            assert ping(text, x_layers_organization=name).data == {"acting": child.public_id}

    def test_finds_neither_strangers_nor_siblings_nor_grandchildren_nor_parents(
        self, parent: Organization, child: Organization
    ) -> None:
        text = key_of(parent)[1]
        stranger = organization("Stranger")
        cousin = organization("Cousin", parent=stranger)

        answers = [
            ping(text, x_layers_organization=name)
            for name in (stranger.public_id, cousin.public_id, SOMEBODY)
        ]

        assert {code(answer) for answer in answers} == {(404, "NOT_FOUND")}
        assert len({answer.data["error"]["message"] for answer in answers}) == 1

    def test_needs_org_admin_whoever_is_named(
        self, parent: Organization, child: Organization
    ) -> None:
        text = key_of(parent, scopes=["*"])[1]

        for name in (child.public_id, organization("Stranger").public_id, SOMEBODY):
            assert code(ping(text, x_layers_organization=name)) == (403, "FORBIDDEN_SCOPE")

    @pytest.mark.parametrize("name", ["", "org_", "x", "acme", SOMEBODY.upper(), "org_{}"])
    def test_must_be_an_id(self, parent: Organization, name: str) -> None:
        response = ping(key_of(parent)[1], x_layers_organization=name)

        assert code(response) == (422, "VALIDATION")


class TestOrder:
    """One request that is wrong in every way is answered for the first of them."""

    def test_is_key_rate_suspension_scope_organization_query(
        self, parent: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parent.status = "suspended"
        parent.save(update_fields=["status"])
        key, text = key_of(parent, scopes=["usage:read"], tier="standard")
        monkeypatch.setattr("config.throttling.PER_MINUTE", {"standard": {"write-light": 0}})
        bad = {"x_layers_organization": SOMEBODY, "idempotency_key": " "}

        assert code(ping("nonsense", "post", **bad)) == (401, "UNAUTHENTICATED")
        assert code(ping(text, "post", **bad)) == (429, "RATE_LIMITED")
        monkeypatch.undo()
        assert code(ping(text, "post", **bad)) == (503, "KILL_SWITCH")
        Organization.objects.update(status="active")
        assert code(ping(text, "post", **bad)) == (403, "FORBIDDEN_SCOPE")
        key.scopes = ["*", "org:admin"]
        key.save(update_fields=["scopes"])
        assert code(ping(text, "post", **bad)) == (404, "NOT_FOUND")
        bad.pop("x_layers_organization")
        assert code(ping(text, "post", **bad)) == (422, "VALIDATION")
        assert code(ping(text, "post")) == (400, "IDEMPOTENCY_REQUIRED")

    def test_looks_for_the_object_before_the_idempotency_key(self, parent: Organization) -> None:
        caller = client(key_of(parent)[1], idempotency_key="k" * 256)

        assert caller.post(f"/api/v1/organizations/{SOMEBODY}/api-keys", {}).status_code == 404

    def test_looks_for_the_idempotency_key_before_the_body(self, parent: Organization) -> None:
        caller = client(key_of(parent)[1], idempotency_key="k")
        caller.post(keys_path(parent), {"name": "k", "scopes": ["*"]})

        response = caller.post(keys_path(parent), {"name": 5})

        assert response.json()["error"]["code"] == "IDEMPOTENCY_CONFLICT"


class TestIdempotencyKey:
    def test_is_ignored_by_reads_and_deletes(self, parent: Organization) -> None:
        caller = client(key_of(parent)[1], idempotency_key="k" * 256)
        victim, _ = key_of(parent)

        assert caller.get(keys_path(parent)).status_code == 200
        assert caller.delete(f"{keys_path(parent)}/{victim.public_id}").status_code == 200
        assert not IdempotencyKey.objects.exists()

    def test_belongs_to_the_keys_organization_and_tells_acting_ones_apart(
        self, parent: Organization, child: Organization
    ) -> None:
        text = key_of(parent)[1]
        body = {"name": "k", "scopes": ["*"]}
        acting = client(text, idempotency_key="k", x_layers_organization=child.public_id)
        own = client(text, idempotency_key="k")

        assert acting.post(keys_path(child), body).status_code == 201
        assert own.post(keys_path(child), body).status_code == 409
        assert IdempotencyKey.objects.get().organization == parent

    def test_of_another_organization_is_another(
        self, parent: Organization, child: Organization
    ) -> None:
        body = {"name": "k", "scopes": ["*"]}
        for owner in (parent, child):
            caller = client(key_of(owner)[1], idempotency_key="k")
            assert caller.post(keys_path(owner), body).status_code == 201


class TestPathIds:
    @pytest.mark.parametrize(
        "text", ["5", "org_5", "{}", "%00", "%FF", "a b", "key_" + SOMEBODY[4:], SOMEBODY.upper()]
    )
    def test_must_be_ids(self, parent: Organization, text: str) -> None:
        response = client_of(parent).get(f"/api/v1/organizations/{text}/api-keys")

        assert response.status_code == 422
        assert response.json()["error"]["code"] == "VALIDATION"


class TestNotFound:
    def test_is_a_layers_envelope_wherever_nobody_lives(self) -> None:
        response = APIClient().get("/api/v1/nothing/here")

        assert response.status_code == 404
        assert response.json()["error"]["code"] == "NOT_FOUND"
        assert response.json()["error"]["requestId"] == response["x-request-id"]
