"""Who appears in the tests of the API: organizations, their keys, and clients that use them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from credits.models import CreditConfig, Wallet
from credits.services.calendar import open_first_period
from organizations.models import ApiKey, Organization
from organizations.scopes import ORG_ADMIN
from tests.factories import make_key

EVERYTHING = ("*", ORG_ADMIN)


def organization(
    name: str = "Acme", *, parent: Organization | None = None, status: str = "active"
) -> Organization:
    """Return an organization with its wallet, in any state: also one that no service would leave it in."""
    now = timezone.now()
    made = Organization.objects.create(
        name=name,
        parent=parent,
        status=status,
        archived_at=now if status == "archived" else None,
        created_at=now,
        updated_at=now,
    )
    wallet = Wallet.objects.create(organization=made, created_at=now)
    wallet.config = CreditConfig.objects.create(wallet=wallet, anchored_on=now.date())
    open_first_period(wallet, now=now)
    return made


def key_of(
    owner: Organization,
    *,
    scopes: Sequence[str] = EVERYTHING,
    now: datetime | None = None,
    **options: Any,
) -> tuple[ApiKey, str]:
    """Return a key and its text."""
    now = now or timezone.now()
    return make_key(owner, scopes=scopes, now=now, name="a key", **options)


def client(text: str, **headers: str) -> APIClient:
    """Return a client that sends a key, and headers written like `idempotency_key="k"`."""
    found = APIClient()
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    found.credentials(HTTP_AUTHORIZATION=f"Bearer {text}", **named)
    return found


def client_of(owner: Organization, **options: Any) -> APIClient:
    """Return a client with a fresh key of an organization."""
    return client(key_of(owner, **options)[1])


def keys_path(of: Organization) -> str:
    return f"/api/v1/organizations/{of.public_id}/api-keys"
