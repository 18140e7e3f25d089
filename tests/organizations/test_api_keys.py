"""Minting, listing, rotating and revoking keys over HTTP."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from organizations import ids, services
from organizations.models import ApiKey, IdempotencyKey, Organization
from tests.organizations.people import client, client_of, key_of, keys_path, organization
from tests.parallel import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def parent() -> Organization:
    return organization("Parent")


@pytest.fixture
def child(parent: Organization) -> Organization:
    return organization("Child", parent=parent)


@pytest.fixture
def boss(parent: Organization) -> APIClient:
    return client_of(parent)


def mint(caller: APIClient, owner: Organization, **fields: Any) -> Any:
    body = {"name": "Backend", "scopes": ["credits:read"]} | fields
    return caller.post(keys_path(owner), body)


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


class TestMint:
    def test_answers_the_key_and_its_secret(self, boss: APIClient, child: Organization) -> None:
        response = mint(boss, child)

        assert response.status_code == 201
        body = response.json()
        key = ApiKey.objects.get(id=ids.read("key", body["id"]))
        assert body == {
            "id": key.public_id,
            "organizationId": child.public_id,
            "name": "Backend",
            "prefix": f"lp_live_{key.id.hex}",
            "env": "live",
            "scopes": ["credits:read"],
            "rateLimitTier": "partner",
            "status": "active",
            "createdAt": key.created_at.isoformat(timespec="microseconds"),
            "expiresAt": None,
            "lastUsedAt": None,
            "rotatedAt": None,
            "revokedAt": None,
            "graceUntil": None,
            "supersededBy": None,
            "secret": body["secret"],
        }
        assert body["secret"].startswith(body["prefix"] + "_")
        assert body["createdAt"].endswith("+00:00")

    def test_makes_a_key_that_opens_the_child_alone(
        self, boss: APIClient, parent: Organization, child: Organization
    ) -> None:
        secret = mint(boss, child, scopes=["*"]).json()["secret"]

        assert client(secret).get(keys_path(child)).status_code == 200
        assert client(secret).get(keys_path(parent)).status_code == 403

    def test_makes_a_test_key(self, boss: APIClient, child: Organization) -> None:
        secret = mint(boss, child, env="test", scopes=["*"]).json()["secret"]

        assert secret.startswith("lp_test_")
        assert client(secret).get(keys_path(child)).status_code == 200

    def test_gives_the_tier_of_the_key_that_mints(
        self, parent: Organization, child: Organization
    ) -> None:
        assert mint(client_of(parent, tier="pilot"), child).json()["rateLimitTier"] == "pilot"

    def test_never_gives_org_admin(self, boss: APIClient, child: Organization) -> None:
        assert code(mint(boss, child, scopes=["org:admin"])) == (403, "FORBIDDEN_SCOPE")
        assert not child.api_keys.exists()

    @pytest.mark.parametrize("wanted", [["manage"], ["*"], ["credits:read", "usage:write"]])
    def test_gives_only_what_the_caller_has(
        self, parent: Organization, child: Organization, wanted: list[str]
    ) -> None:
        weak = client_of(parent, scopes=["org:admin", "credits:read"])

        assert code(mint(weak, child, scopes=wanted)) == (403, "FORBIDDEN_SCOPE")
        assert mint(weak, child, scopes=["credits:read"]).status_code == 201

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": ""},
            {"name": "n" * 121},
            {"name": "  "},
            {"scopes": []},
            {"scopes": ["credits:read"] * 65},
            {"scopes": ["everything"]},
            {"scopes": "*"},
            {"env": "prod"},
            {"tier": "partner"},
        ],
    )
    def test_refuses_other_bodies(
        self, boss: APIClient, child: Organization, fields: dict[str, Any]
    ) -> None:
        response = mint(boss, child, **fields)

        assert code(response) == (422, "VALIDATION")
        assert next(iter(fields)) in response.json()["error"]["message"]
        assert not child.api_keys.exists()

    def test_lets_an_organization_mint_its_own_with_manage(self, child: Organization) -> None:
        assert (
            mint(client_of(child, scopes=["manage"]), child, scopes=["manage"]).status_code == 201
        )

    def test_is_closed_to_a_key_without_the_scope(self, child: Organization) -> None:
        reader = client_of(child, scopes=["credits:read", "usage:read", "usage:write"])

        assert code(mint(reader, child)) == (403, "FORBIDDEN_SCOPE")

    def test_finds_no_strangers(self, boss: APIClient, parent: Organization) -> None:
        stranger = organization("Stranger")
        nobody = Organization(id=UUID("01980000-0000-7000-8000-000000000000"), name="Nobody")

        foreign, unknown = mint(boss, stranger), mint(boss, nobody)

        assert code(foreign) == code(unknown) == (404, "NOT_FOUND")
        assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]

    def test_is_a_conflict_for_an_archived_child(
        self, boss: APIClient, parent: Organization
    ) -> None:
        gone = organization("Gone", parent=parent, status="archived")

        assert code(mint(boss, gone)) == (409, "CONFLICT")

    def test_serves_a_suspended_child(self, boss: APIClient, parent: Organization) -> None:
        assert mint(boss, organization(parent=parent, status="suspended")).status_code == 201

    def test_replays_the_same_key_without_its_secret(
        self, parent: Organization, child: Organization
    ) -> None:
        caller = client(key_of(parent)[1], idempotency_key="mint-1")

        first, second = mint(caller, child), mint(caller, child)

        assert second.status_code == 201
        assert second.json() == first.json() | {"secret": None}
        assert child.api_keys.count() == 1
        stored = IdempotencyKey.objects.get().body or ""
        assert first.json()["secret"].rsplit("_", 1)[1] not in stored

    def test_is_not_replayed_to_a_key_that_could_not_have_asked(
        self, parent: Organization, child: Organization
    ) -> None:
        strong = client(key_of(parent)[1], idempotency_key="mint-1")
        weak = client(
            key_of(parent, scopes=["org:admin", "credits:read"])[1], idempotency_key="mint-1"
        )
        made = mint(strong, child, scopes=["manage"]).json()

        answer = mint(weak, child, scopes=["manage"])

        assert code(answer) == (403, "FORBIDDEN_SCOPE")
        assert made["id"] not in answer.content.decode()
        # Nor is it told that the name is taken by a request that it may not make either.
        assert code(mint(weak, child, scopes=["usage:write"])) == (403, "FORBIDDEN_SCOPE")
        assert child.api_keys.count() == 1

    @pytest.mark.race
    def test_happens_once_for_32_callers_with_one_key(
        self, parent: Organization, child: Organization
    ) -> None:
        text = key_of(parent)[1]

        answers = at_once(32, lambda _: mint(client(text, idempotency_key="k"), child).json())

        assert child.api_keys.count() == 1
        assert len({answer["id"] for answer in answers}) == 1
        assert sum(answer["secret"] is not None for answer in answers) == 1


class TestList:
    def test_shows_the_newest_first_without_secrets(
        self, boss: APIClient, child: Organization
    ) -> None:
        minted = [mint(boss, child, name=f"key {number}").json() for number in range(3)]

        listed = boss.get(keys_path(child)).json()

        assert [item["id"] for item in listed["items"]] == [key["id"] for key in minted[::-1]]
        assert listed["nextCursor"] is None
        assert all("secret" not in item for item in listed["items"])

    def test_walks_every_key_once(self, boss: APIClient, child: Organization) -> None:
        minted = {mint(boss, child).json()["id"] for _ in range(5)}

        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = boss.get(keys_path(child), query).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["nextCursor"]

        assert len(seen) == 5
        assert set(seen) == minted

    def test_knows_which_keys_are_closed(self, boss: APIClient, child: Organization) -> None:
        now = timezone.now()
        key_of(child, expires_at=now)
        services.revoke_key(key=key_of(child)[0], now=now)
        key_of(child)

        listed = boss.get(keys_path(child)).json()["items"]

        assert [item["status"] for item in listed] == ["active", "revoked", "revoked"]


class TestRotate:
    def rotate(self, caller: APIClient, key: ApiKey) -> Any:
        return caller.post(f"{keys_path(key.organization)}/{key.public_id}/rotate")

    def test_makes_a_key_like_the_old_one(self, boss: APIClient, child: Organization) -> None:
        old, text = key_of(child, scopes=["*"], env="test", tier="pilot")

        response = self.rotate(boss, old)

        assert response.status_code == 200
        new = response.json()
        assert (new["env"], new["scopes"], new["rateLimitTier"]) == ("test", ["*"], "pilot")
        assert client(new["secret"]).get(keys_path(child)).status_code == 200
        assert client(text).get(keys_path(child)).status_code == 200
        old.refresh_from_db()
        assert old.superseded_by is not None
        assert old.superseded_by.public_id == new["id"]
        assert old.grace_until == old.rotated_at + timedelta(hours=24)  # type: ignore[operator]

    def test_happens_once(self, boss: APIClient, child: Organization) -> None:
        old, _ = key_of(child, scopes=["*"])
        self.rotate(boss, old)

        assert code(self.rotate(boss, old)) == (409, "CONFLICT")

    def test_is_not_replayed_to_a_key_that_opens_less(
        self, parent: Organization, child: Organization
    ) -> None:
        old, _ = key_of(child, scopes=["*"])
        weak_text = key_of(parent, scopes=["org:admin", "credits:read"])[1]
        done = self.rotate(client(key_of(parent)[1], idempotency_key="k"), old)

        answer = self.rotate(client(weak_text, idempotency_key="k"), old)

        assert done.status_code == 200
        assert code(answer) == (403, "FORBIDDEN_SCOPE")

    @pytest.mark.race
    def test_happens_once_for_8_callers_without_a_key(
        self, parent: Organization, child: Organization
    ) -> None:
        text = key_of(parent)[1]
        old, _ = key_of(child, scopes=["*"])

        statuses = at_once(8, lambda _: self.rotate(client(text), old).status_code)

        assert sorted(statuses) == [200] + [409] * 7

    def test_refuses_a_revoked_key(self, boss: APIClient, child: Organization) -> None:
        old, _ = key_of(child, scopes=["*"])
        services.revoke_key(key=old, now=timezone.now())

        assert code(self.rotate(boss, old)) == (409, "CONFLICT")

    def test_gives_nobody_a_key_that_opens_more_than_theirs(self, parent: Organization) -> None:
        strong, _ = key_of(parent)

        response = self.rotate(client_of(parent, scopes=["manage"]), strong)

        assert code(response) == (403, "FORBIDDEN_SCOPE")

    def test_finds_no_key_of_another_organization(
        self, boss: APIClient, child: Organization
    ) -> None:
        foreign, _ = key_of(organization("Stranger"))
        path = f"{keys_path(child)}/{foreign.public_id}/rotate"

        assert code(boss.post(path)) == (404, "NOT_FOUND")

    def test_takes_no_fields(self, boss: APIClient, child: Organization) -> None:
        old, _ = key_of(child, scopes=["*"])
        path = f"{keys_path(child)}/{old.public_id}/rotate"

        assert code(boss.post(path, {"grace": 0})) == (422, "VALIDATION")
        assert boss.post(path, {}).status_code == 200


class TestRevoke:
    def revoke(self, caller: APIClient, key: ApiKey) -> Any:
        return caller.delete(f"{keys_path(key.organization)}/{key.public_id}")

    def test_closes_the_key(self, boss: APIClient, child: Organization) -> None:
        key, text = key_of(child, scopes=["*"])

        response = self.revoke(boss, key)

        assert response.status_code == 200
        assert response.json()["status"] == "revoked"
        assert client(text).get(keys_path(child)).status_code == 401

    def test_changes_nothing_the_second_time(self, boss: APIClient, child: Organization) -> None:
        key, _ = key_of(child, scopes=["*"])

        first, second = self.revoke(boss, key), self.revoke(boss, key)

        assert second.json() == first.json()

    def test_leaves_stronger_keys_alone(self, parent: Organization) -> None:
        strong, _ = key_of(parent)

        response = self.revoke(client_of(parent, scopes=["manage"]), strong)

        assert code(response) == (403, "FORBIDDEN_SCOPE")


class TestRevokeAll:
    def test_counts_the_keys_it_closed(self, child: Organization) -> None:
        now = timezone.now()
        services.revoke_key(key=key_of(child)[0], now=now)
        key_of(child)
        key_of(child)

        assert services.revoke_all_keys(organization=child, now=now) == 2
        assert services.revoke_all_keys(organization=child, now=now) == 0
