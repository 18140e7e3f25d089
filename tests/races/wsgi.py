"""The application as a server calls it: what happens between two requests happens here too.

The test client of Django keeps the connection to the database whatever became of it; a server lets it go at the end of a request, and looks
whether it still answers at the beginning of the next.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.util import setup_testing_defaults

from django.http import HttpResponseBase

from config.wsgi import application
from organizations.models import ApiKey, Organization
from organizations.scopes import ORG_ADMIN
from tests.factories import make_key


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    def start(self, status: str, headers: Iterable[tuple[str, str]], *_: object) -> None:
        self.status = int(status.split(maxsplit=1)[0])
        self.headers = {name.lower(): value for name, value in headers}


@dataclass(frozen=True)
class Client:
    """A key that calls. Paths begin after `/api/v1`; `key` is an Idempotency-Key."""

    secret: str

    @classmethod
    def of(cls, organization: Organization, *, tier: str = ApiKey.Tier.PARTNER) -> "Client":
        scopes = ("*",) if organization.parent_id else ("*", ORG_ADMIN)
        _, secret = make_key(organization, scopes=scopes, tier=tier)
        return cls(secret)

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        return self.call("POST", path, body, key=key)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def reserve(self, credits: int, *, key: str | None = None) -> Answer:
        return self.post("/usage/reservations", {"estimatedCredits": credits}, key=key)

    def settle(self, reservation_id: str, credits: int, *, key: str | None = None) -> Answer:
        path = f"/usage/reservations/{reservation_id}/settle"
        return self.post(path, {"credits": credits}, key=key)

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/api/v1{path}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
            "HTTP_AUTHORIZATION": f"Bearer {self.secret}",
        }
        if key is not None:
            environ["HTTP_IDEMPOTENCY_KEY"] = key
        setup_testing_defaults(environ)
        answer = Answer()
        response = application(environ, answer.start)
        answer.content = b"".join(response)
        if isinstance(response, HttpResponseBase):
            response.close()
        return answer
