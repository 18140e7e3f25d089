"""Which keys open the API, and what a refusal says."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from organizations import authentication, services, tokens
from organizations.models import ApiKey, Organization
from tests.factories import sandbox_of
from tests.organizations.people import client, client_of, key_of, keys_path, organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


def status_with(header: str | None, acme: Organization) -> int:
    headers = {} if header is None else {"HTTP_AUTHORIZATION": header}
    caller = APIClient()
    caller.credentials(**headers)
    return int(caller.get(keys_path(acme)).status_code)


class TestLiveKey:
    def test_opens_the_api(self, acme: Organization) -> None:
        _, text = key_of(acme)

        assert status_with(f"Bearer {text}", acme) == 200

    def test_takes_the_scheme_in_any_case(self, acme: Organization) -> None:
        _, text = key_of(acme)

        assert status_with(f"bearer {text}", acme) == 200

    def test_is_looked_up_with_one_query(self, acme: Organization) -> None:
        _, text = key_of(acme)

        with CaptureQueriesContext(
            connection,
        ) as queries:
            key = authentication.live_key(f"Bearer {text}", now=timezone.now())
            assert key.organization.parent is None

        assert len(queries) == 1

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Bearer",
            "Bearer ",
            "Basic dTpw",
            "Bearer lp_live_x_y",
            "Bearer \x00",
            "Bearer é",
            "Bearer " + "lp_live_" * 2000,
        ],
    )
    def test_refuses_what_is_not_a_key(self, header: str | None, acme: Organization) -> None:
        assert status_with(header, acme) == 401

    def test_refuses_the_old_header_of_other_products(self, acme: Organization) -> None:
        _, text = key_of(acme)

        assert APIClient().get(keys_path(acme), HTTP_X_API_KEY=text).status_code == 401

    def test_refuses_an_unknown_key(self, acme: Organization) -> None:
        key, text = key_of(acme)
        key.delete()

        assert status_with(f"Bearer {text}", acme) == 401

    def test_refuses_another_secret_for_a_known_key(self, acme: Organization) -> None:
        key, _ = key_of(acme)
        forged = tokens.new(env=key.env, key_id=key.id)

        assert status_with(f"Bearer {forged}", acme) == 401

    def test_refuses_the_secret_of_one_key_under_the_id_of_another(
        self, acme: Organization
    ) -> None:
        key, text = key_of(acme)
        other, _ = key_of(acme)
        ApiKey.objects.filter(id=other.id).update(secret_hash=tokens.digest(text))
        swapped = text.replace(key.id.hex, other.id.hex)

        assert status_with(f"Bearer {swapped}", acme) == 401

    def test_refuses_another_environment_than_the_keys(self, acme: Organization) -> None:
        key, text = key_of(acme)
        sandbox = sandbox_of(key.organization, now=key.created_at)
        ApiKey.objects.filter(id=key.id).update(
            env="test", organization=sandbox, rate_limit_tier="sandbox"
        )

        assert status_with(f"Bearer {text}", acme) == 401

    def test_refuses_a_revoked_key_on_the_next_request(self, acme: Organization) -> None:
        key, text = key_of(acme)
        caller = client(text)
        assert caller.get(keys_path(acme)).status_code == 200

        services.revoke_key(key=key, now=timezone.now())

        assert caller.get(keys_path(acme)).status_code == 401

    def test_refuses_a_key_from_its_expiry_on(self, acme: Organization) -> None:
        now = timezone.now()
        _, text = key_of(acme, expires_at=now)

        assert authentication.live_key(f"Bearer {text}", now=now - timedelta(microseconds=1))
        with pytest.raises(authentication.Unauthenticated):
            authentication.live_key(f"Bearer {text}", now=now)

    def test_takes_a_rotated_key_for_a_day(self, acme: Organization) -> None:
        now = timezone.now()
        key, text = key_of(acme)
        services.rotate_key(key=key, now=now)
        day = timedelta(hours=24)

        assert authentication.live_key(f"Bearer {text}", now=now + day - timedelta(microseconds=1))
        with pytest.raises(authentication.Unauthenticated):
            authentication.live_key(f"Bearer {text}", now=now + day)

    def test_refuses_a_key_of_an_archived_organization(self, acme: Organization) -> None:
        caller = client_of(acme)
        Organization.objects.filter(id=acme.id).update(
            status="archived", archived_at=timezone.now()
        )

        assert caller.get(keys_path(acme)).status_code == 401

    def test_tells_the_scheme_and_never_the_reason(self, acme: Organization) -> None:
        key, text = key_of(acme)
        services.revoke_key(key=key, now=timezone.now())

        revoked = client(text).get(keys_path(acme))
        forged = client(tokens.new(env="live", key_id=key.id)).get(keys_path(acme))

        assert revoked["WWW-Authenticate"] == 'Bearer realm="api"'
        assert revoked.json()["error"]["code"] == "UNAUTHENTICATED"
        assert revoked.json()["error"]["message"] == forged.json()["error"]["message"]


class TestToken:
    def test_is_stored_as_an_hmac_under_the_servers_secret(
        self, acme: Organization, settings: Any
    ) -> None:
        key, text = key_of(acme)
        assert bytes(key.secret_hash) == tokens.digest(text)

        settings.API_KEY_SECRET = "another"

        assert bytes(key.secret_hash) != tokens.digest(text)
        assert status_with(f"Bearer {text}", acme) == 401

    def test_opens_under_a_secret_that_was_in_use_before(
        self, acme: Organization, settings: Any
    ) -> None:
        _, text = key_of(acme)
        settings.API_KEY_SECRET_FALLBACKS = ["older", settings.API_KEY_SECRET]
        settings.API_KEY_SECRET = "new"

        assert status_with(f"Bearer {text}", acme) == 200

    def test_is_stored_under_the_new_secret_when_it_is_used(
        self, acme: Organization, settings: Any
    ) -> None:
        key, text = key_of(acme)
        settings.API_KEY_SECRET_FALLBACKS = [settings.API_KEY_SECRET]
        settings.API_KEY_SECRET = "new"
        assert key.hashed_under != tokens.secret_name()

        authentication.live_key(f"Bearer {text}", now=timezone.now())

        key.refresh_from_db()
        assert bytes(key.secret_hash) == tokens.digest(text)
        assert key.hashed_under == tokens.secret_name()
        settings.API_KEY_SECRET_FALLBACKS = []
        with CaptureQueriesContext(connection) as queries:
            authentication.live_key(f"Bearer {text}", now=timezone.now())
        assert len(queries) == 1

    def test_is_not_stored_anew_for_who_has_another_secret(
        self, acme: Organization, settings: Any
    ) -> None:
        key, _ = key_of(acme)
        settings.API_KEY_SECRET_FALLBACKS = [settings.API_KEY_SECRET]
        settings.API_KEY_SECRET = "new"

        assert status_with(f"Bearer {tokens.new(env=key.env, key_id=key.id)}", acme) == 401

        stored = ApiKey.objects.get(id=key.id)
        assert (stored.secret_hash, stored.hashed_under) == (key.secret_hash, key.hashed_under)

    def test_takes_as_long_under_an_old_secret_as_under_the_new(
        self, acme: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.API_KEY_SECRET_FALLBACKS = ["old", "older"]
        key, text = key_of(acme)
        compared: list[bytes] = []

        def compare(stored: bytes, digest: bytes) -> bool:
            compared.append(digest)
            return stored == digest

        monkeypatch.setattr("hmac.compare_digest", compare)

        assert tokens.read(text).is_of(bytes(key.secret_hash))

        assert len(set(compared)) == 3

    def test_has_256_random_bits(self, acme: Organization) -> None:
        _, one = key_of(acme)
        _, other = key_of(acme)

        secrets = {text.rsplit("_", 1)[1][:64] for text in (one, other)}

        assert len(secrets) == 2
        assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)

    def test_tells_a_typing_error_without_asking_the_database(self, acme: Organization) -> None:
        _, text = key_of(acme)
        mistyped = text[:-10] + ("0" if text[-10] != "0" else "1") + text[-9:]

        with (
            CaptureQueriesContext(connection) as queries,
            pytest.raises(authentication.Unauthenticated),
        ):
            authentication.live_key(f"Bearer {mistyped}", now=timezone.now())

        assert len(queries) == 0


class TestTouch:
    def test_notes_the_first_use(self, acme: Organization) -> None:
        key, text = key_of(acme)

        client(text).get(keys_path(acme))

        key.refresh_from_db()
        assert key.last_used_at is not None

    def test_writes_at_most_once_a_minute(self, acme: Organization) -> None:
        now = timezone.now()
        key, _ = key_of(acme)

        authentication.touch(key, now=now)
        for seconds in (1, 59, 60):
            key.refresh_from_db()
            authentication.touch(key, now=now + timedelta(seconds=seconds))
            key.refresh_from_db()
            expected = now if seconds < 60 else now + timedelta(seconds=60)
            assert key.last_used_at == expected

    def test_asks_the_database_for_nothing_within_the_minute(self, acme: Organization) -> None:
        now = timezone.now()
        key, _ = key_of(acme)
        authentication.touch(key, now=now)
        key.refresh_from_db()

        with CaptureQueriesContext(connection) as queries:
            authentication.touch(key, now=now + timedelta(seconds=59))

        assert len(queries) == 0

    def test_writes_once_for_requests_that_all_found_it_due(self, acme: Organization) -> None:
        now = timezone.now()
        key, _ = key_of(acme)

        authentication.touch(key, now=now)
        authentication.touch(key, now=now + timedelta(seconds=1))

        key.refresh_from_db()
        assert key.last_used_at == now
