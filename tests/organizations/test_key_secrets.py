"""`manage.py key_secrets`: whether an old secret can go."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from organizations import authentication, services, tokens
from organizations.models import ApiKey
from tests.organizations.people import key_of, organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def changed(settings: Any) -> list[tuple[ApiKey, str]]:
    """Make two keys, then change the secret."""
    keys = [key_of(organization()), key_of(organization("Brook"))]
    settings.API_KEY_SECRET_FALLBACKS = [settings.API_KEY_SECRET]
    settings.API_KEY_SECRET = "new"
    return keys


def run() -> tuple[str, str]:
    """Return what it printed, and what it complained of."""
    out = StringIO()
    try:
        call_command("key_secrets", stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


class TestKeySecrets:
    def test_has_nothing_to_say_while_nothing_changed(self) -> None:
        key_of(organization())

        assert run() == (f"{tokens.secret_name()}  API_KEY_SECRET: 1 keys\n", "")

    def test_names_the_keys_that_nobody_used_since(self, changed: list[tuple[ApiKey, str]]) -> None:
        (used, text), (idle, _) = changed
        authentication.live_key(f"Bearer {text}", now=timezone.now())

        told, complaint = run()

        assert f"{tokens.secret_name()}  API_KEY_SECRET: 1 keys" in told
        assert f"{idle.hashed_under}  fallback 1: 1 keys" in told
        assert f"{idle.public_id} of {idle.organization.public_id}, a key: fallback 1" in told
        assert used.public_id not in told
        assert complaint == "1 keys are not stored under API_KEY_SECRET yet"

    def test_is_content_once_the_rest_opens_nothing(
        self, changed: list[tuple[ApiKey, str]]
    ) -> None:
        for key, _ in changed:
            services.revoke_key(key=key, now=timezone.now())

        assert run()[1] == ""

    def test_says_that_a_secret_is_not_set_any_more(
        self, changed: list[tuple[ApiKey, str]], settings: Any
    ) -> None:
        settings.API_KEY_SECRET_FALLBACKS = []

        told, complaint = run()

        assert told.count("no secret that is set, never used") == 2
        assert complaint.startswith("2 keys")

    def test_shows_no_secret(self, changed: list[tuple[ApiKey, str]], settings: Any) -> None:
        told, _ = run()

        assert settings.API_KEY_SECRET_FALLBACKS[0] not in told
        assert not any(text in told for _, text in changed)
