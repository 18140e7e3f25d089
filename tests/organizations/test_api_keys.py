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
        minted = mint(boss, child, env="test", scopes=["*"]).json()

        assert minted["secret"].startswith("lp_test_")
        path = f"/api/v1/organizations/{minted['organizationId']}/api-keys"
        assert client(minted["secret"]).get(path).status_code == 200

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

    def test_is_not_replayed_to_a_key_that_ends_before_it(
        self, parent: Organization, child: Organization
    ) -> None:
        soon, late = (timezone.now() + timedelta(hours=hours) for hours in (1, 2))
        short_text = key_of(parent, expires_at=soon)[1]
        end = {"expiresAt": late.isoformat()}
        made = mint(client(key_of(parent)[1], idempotency_key="mint-1"), child, **end)

        answer = mint(client(short_text, idempotency_key="mint-1"), child, **end)

        assert made.status_code == 201
        assert code(answer) == (422, "VALIDATION")

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
        old, text = key_of(child, scopes=["*"], tier="pilot")

        response = self.rotate(boss, old)

        assert response.status_code == 200
        new = response.json()
        assert (new["env"], new["scopes"], new["rateLimitTier"]) == ("live", ["*"], "pilot")
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


class TestRotateLeaked:
    def rotate(self, caller: APIClient, key: ApiKey, **body: Any) -> Any:
        return caller.post(f"{keys_path(key.organization)}/{key.public_id}/rotate", body)

    def test_stops_the_old_secret_at_once(self, boss: APIClient, child: Organization) -> None:
        old, text = key_of(child, scopes=["*"])

        new = self.rotate(boss, old, leaked=True)

        assert new.status_code == 200
        assert client(text).get(keys_path(child)).status_code == 401
        assert client(new.json()["secret"]).get(keys_path(child)).status_code == 200
        old.refresh_from_db()
        assert old.superseded_by is not None
        assert old.superseded_by.public_id == new.json()["id"]
        assert old.revoked_at == old.grace_until == old.rotated_at

    def test_false_is_a_routine(self, boss: APIClient, child: Organization) -> None:
        old, text = key_of(child, scopes=["*"])

        self.rotate(boss, old, leaked=False)

        assert client(text).get(keys_path(child)).status_code == 200

    @pytest.mark.parametrize("leaked", ["true", 1, None])
    def test_is_true_or_false(self, boss: APIClient, child: Organization, leaked: Any) -> None:
        old, _ = key_of(child, scopes=["*"])

        answer = self.rotate(boss, old, leaked=leaked)

        assert code(answer) == (422, "VALIDATION")
        assert "leaked" in answer.json()["error"]["message"]
        old.refresh_from_db()
        assert old.superseded_by is None

    def test_in_its_grace_a_leaked_key_is_stopped_by_revoking_it(
        self, boss: APIClient, child: Organization
    ) -> None:
        old, text = key_of(child, scopes=["*"])
        new = self.rotate(boss, old).json()["secret"]

        assert boss.delete(f"{keys_path(child)}/{old.public_id}").status_code == 200

        assert client(text).get(keys_path(child)).status_code == 401
        assert client(new).get(keys_path(child)).status_code == 200


class TestEnd:
    """What a key is told of secrets ends no later than itself."""

    SOON = timedelta(minutes=10)

    def expiring(self, owner: Organization, **options: Any) -> tuple[ApiKey, APIClient]:
        key, text = key_of(owner, expires_at=timezone.now() + self.SOON, **options)
        return key, client(text)

    @pytest.mark.parametrize("own", [True, False], ids=["own", "child's"])
    def test_of_a_minted_key_is_its_minters(
        self, parent: Organization, child: Organization, own: bool
    ) -> None:
        minter, caller = self.expiring(parent)

        minted = mint(caller, parent if own else child).json()

        key = ApiKey.objects.get(id=ids.read("key", minted["id"]))
        assert key.expires_at == minter.expires_at
        assert key.minted_by == minter.public_id

    def test_may_be_earlier_and_not_later(self, parent: Organization, child: Organization) -> None:
        minter, caller = self.expiring(parent)
        assert minter.expires_at is not None
        earlier = minter.expires_at - timedelta(minutes=1)
        later = minter.expires_at + timedelta(minutes=1)

        minted = mint(caller, child, expiresAt=earlier.isoformat())
        refused = mint(caller, child, expiresAt=later.isoformat())

        assert minted.json()["expiresAt"] == earlier.isoformat(timespec="microseconds")
        assert code(refused) == (422, "VALIDATION")
        assert list(refused.json()["error"]["details"]["fields"]) == ["expiresAt"]
        assert child.api_keys.count() == 1

    def test_is_a_moment_to_come(self, boss: APIClient, child: Organization) -> None:
        for moment in (timezone.now().isoformat(), "2027-01-01T00:00:00", "soon", 5):
            answer = mint(boss, child, expiresAt=moment)
            assert code(answer) == (422, "VALIDATION")
            assert list(answer.json()["error"]["details"]["fields"]) == ["expiresAt"]
        assert not child.api_keys.exists()

    def test_is_none_for_what_a_key_without_one_mints(
        self, boss: APIClient, child: Organization
    ) -> None:
        assert mint(boss, child).json()["expiresAt"] is None

    def test_of_a_rotated_key_is_that_of_whoever_is_told_the_secret(
        self, parent: Organization, child: Organization
    ) -> None:
        minter, caller = self.expiring(parent)
        endless, _ = key_of(child, scopes=["*"])

        rotated = caller.post(f"{keys_path(child)}/{endless.public_id}/rotate").json()

        assert minter.expires_at is not None
        assert rotated["expiresAt"] == minter.expires_at.isoformat(timespec="microseconds")

    def test_of_a_rotated_key_is_no_later_than_it_was(
        self, boss: APIClient, child: Organization
    ) -> None:
        old, _ = self.expiring(child, scopes=["*"])

        rotated = boss.post(f"{keys_path(child)}/{old.public_id}/rotate").json()

        assert old.expires_at is not None
        assert rotated["expiresAt"] == old.expires_at.isoformat(timespec="microseconds")

    def test_is_near_in_grace_a_key_neither_mints_nor_rotates(
        self, parent: Organization, child: Organization
    ) -> None:
        old, text = key_of(parent)
        other, _ = key_of(child, scopes=["*"])
        services.rotate_key(key=old, now=timezone.now())
        in_grace = client(text)

        assert code(mint(in_grace, child)) == (409, "CONFLICT")
        for key in (other, old):
            path = f"{keys_path(key.organization)}/{key.public_id}/rotate"
            assert code(in_grace.post(path)) == (409, "CONFLICT")
        assert in_grace.get(keys_path(child)).status_code == 200
        assert child.api_keys.count() == 1

    @pytest.mark.race
    def test_is_decided_under_the_lock_of_the_minter(
        self, parent: Organization, child: Organization
    ) -> None:
        for _ in range(5):
            minter, text = key_of(parent)
            caller = client(text)

            def act(number: int, minter: ApiKey = minter, caller: APIClient = caller) -> int:
                if number:
                    services.rotate_key(key=minter, now=timezone.now())
                    return 0
                return int(mint(caller, child).status_code)

            minted, _ = at_once(2, act)

            made = ApiKey.objects.filter(minted_by=minter.public_id, organization=child)
            assert minted in (201, 409)
            assert made.count() == (minted == 201)


class TestRevoke:
    def revoke(self, caller: APIClient, key: ApiKey, query: str = "") -> Any:
        return caller.delete(f"{keys_path(key.organization)}/{key.public_id}{query}")

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

    @pytest.mark.parametrize("scopes", [["manage"], ["org:admin"]])
    def test_closes_a_leaked_key_whatever_it_opens(
        self, parent: Organization, scopes: list[str]
    ) -> None:
        strong, text = key_of(parent)

        response = self.revoke(client_of(parent, scopes=scopes), strong)

        assert response.status_code == 200
        assert client(text).get(keys_path(parent)).status_code == 401

    def test_closes_a_childs_key_that_opens_what_the_parents_does_not(
        self, parent: Organization, child: Organization
    ) -> None:
        key, text = key_of(child, scopes=["usage:write", "manage"])

        response = self.revoke(client_of(parent, scopes=["org:admin"]), key)

        assert response.status_code == 200
        assert client(text).get(keys_path(child)).status_code == 401

    def test_reaches_no_strangers_key_and_not_the_parents(
        self, boss: APIClient, parent: Organization, child: Organization
    ) -> None:
        foreign, _ = key_of(organization("Stranger"))
        above, _ = key_of(parent)
        nobodys = keys_path(child) + f"/{foreign.public_id}"

        assert code(self.revoke(boss, foreign)) == (404, "NOT_FOUND")
        assert code(boss.delete(nobodys)) == (404, "NOT_FOUND")
        assert code(self.revoke(client_of(child, scopes=["*"]), above)) == (403, "FORBIDDEN_SCOPE")
        assert ApiKey.objects.filter(revoked_at__isnull=False).count() == 0

    def test_closes_what_it_minted_too_if_asked(
        self, boss: APIClient, parent: Organization, child: Organization
    ) -> None:
        leaked, text = key_of(parent)
        first = mint(client(text), child, scopes=["manage"]).json()
        second = mint(client(first["secret"]), child, scopes=["manage"]).json()
        rotated, _ = key_of(child, scopes=["credits:read"])
        taken = client(text).post(f"{keys_path(child)}/{rotated.public_id}/rotate").json()
        bystander, _ = key_of(child)

        assert self.revoke(boss, leaked, "?andMinted=true").status_code == 200

        closed = ApiKey.objects.filter(revoked_at__isnull=False)
        told = [ids.read("key", key["id"]) for key in (first, second, taken)]
        assert {key.id for key in closed} == {leaked.id, *told}
        assert bystander.id not in told

    def test_leaves_what_it_minted_unless_asked(
        self, boss: APIClient, parent: Organization, child: Organization
    ) -> None:
        key, text = key_of(parent)
        minted = mint(client(text), child, scopes=["manage"]).json()

        self.revoke(boss, key)

        assert client(minted["secret"]).get(keys_path(child)).status_code == 200
        assert code(self.revoke(boss, key, "?andMinted=yes")) == (422, "VALIDATION")


class TestHistory:
    def test_says_who_minted_rotated_and_revoked_and_never_the_secret(
        self, parent: Organization, child: Organization
    ) -> None:
        author, text = key_of(parent)
        boss = client(text)
        minted = mint(boss, child).json()
        old = ApiKey.objects.get(id=ids.read("key", minted["id"]))
        path = f"{keys_path(child)}/{old.public_id}"
        new = boss.post(f"{path}/rotate").json()
        boss.delete(path)

        told = [(row.history_type, row.history_change_reason) for row in old.history.all()]
        assert told == [("~", author.public_id), ("~", author.public_id), ("+", author.public_id)]
        last, rotated, _ = old.history.all()
        assert last.revoked_at == last.history_date
        assert rotated.superseded_by_id == ids.read("key", new["id"])
        assert ApiKey.objects.get(id=rotated.superseded_by_id).minted_by == author.public_id
        assert not hasattr(last, "secret_hash")


class TestRevokeAll:
    def test_counts_the_keys_it_closed(self, child: Organization) -> None:
        now = timezone.now()
        services.revoke_key(key=key_of(child)[0], now=now)
        key_of(child)
        key_of(child)

        assert services.revoke_all_keys(organization=child, now=now) == 2
        assert services.revoke_all_keys(organization=child, now=now) == 0
