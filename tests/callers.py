"""Calling the API as a product's backend does: with a key, in JSON, at a moment that stands still."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from organizations.models import Organization
from organizations.scopes import ORG_ADMIN
from tests import factories as f

PREFIX = "/api/v1"


class Caller:
    """A key that calls. Paths begin after `/api/v1`; `key` is an Idempotency-Key."""

    def __init__(self, secret: str | None, *, acting: Organization | None = None) -> None:
        self.secret = secret
        self.client = APIClient()
        headers = {} if secret is None else {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
        if acting is not None:
            headers["HTTP_X_LAYERS_ORGANIZATION"] = acting.public_id
        self.client.credentials(**headers)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(PREFIX + path, query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.client.post(PREFIX + path, body, **_header(key))

    def patch(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.client.patch(PREFIX + path, body, **_header(key))

    def delete(self, path: str) -> Any:
        return self.client.delete(PREFIX + path)

    def post_text(self, path: str, text: str, *, key: str | None = None) -> Any:
        """Send a body as it is spelled."""
        url, content_type = PREFIX + path, "application/json"
        return self.client.generic("POST", url, text, content_type=content_type, **_header(key))

    def reserve(self, credits: float, *, key: str | None = None, **fields: Any) -> Any:
        return self.post("/usage/reservations", {"estimatedCredits": credits, **fields}, key=key)

    def settle(self, reservation_id: str, credits: float, *, key: str | None = None) -> Any:
        return self.post(
            f"/usage/reservations/{reservation_id}/settle", {"credits": credits}, key=key
        )

    def allocate(
        self, child: Organization, credits: Any, *, key: str | None = None, **fields: Any
    ) -> Any:
        path = f"{child_path(child)}/credits/allocate"
        return self.post(path, {"credits": credits, **fields}, key=key)

    def configure(self, child: Organization, *, key: str | None = None, **fields: Any) -> Any:
        return self.patch(f"{child_path(child)}/credit-config", fields, key=key)


def _header(key: str | None) -> dict[str, Any]:
    return {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}


def caller_of(
    organization: Organization, *scopes: str, acting: Organization | None = None
) -> Caller:
    """Return a caller with a fresh key: of everything it may have, unless scopes are named."""
    everything = ("*",) if organization.parent_id else ("*", ORG_ADMIN)
    _, secret = f.make_key(organization, scopes=scopes or everything)
    return Caller(secret, acting=acting)


def child_path(child: Organization) -> str:
    return f"/organizations/{child.public_id}"


def error(response: Any) -> tuple[int, str]:
    """Return the status and the code of an error: `assert error(answer) == (404, "NOT_FOUND")`."""
    return response.status_code, response.json()["error"]["code"]


def details(response: Any) -> Any:
    return response.json()["error"]["details"]


def ok(response: Any, status: int = 200) -> Any:
    """Return the body of a success; the test fails if it is none."""
    assert response.status_code == status, response.content
    return response.json()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock at `NOW`. `clock.move_to(…)` sets it."""
    with time_machine.travel(f.NOW, tick=False) as traveller:
        yield traveller
