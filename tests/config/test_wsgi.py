"""What the server hands to Django."""

from io import BytesIO
from typing import Any

import pytest
from django.test import RequestFactory

from config.wsgi import MAX_CHUNKED_BYTES, application
from organizations.models import Organization
from tests.organizations.people import key_of, keys_path, organization


def send(environ: dict[str, Any], body: bytes = b"") -> tuple[str, bytes]:
    """Return the status and the body of the answer."""
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        statuses.append(status)

    answer = b"".join(application(environ | {"wsgi.input": BytesIO(body)}, start_response))
    return statuses[0], answer


class TestCharset:
    @pytest.mark.parametrize("charset", ["zlib", "undefined", "rot13", "hex", "utf-16", "x", ""])
    def test_never_breaks_the_query(self, charset: str) -> None:
        environ = RequestFactory().get("/api/v1/nothing?a=%C3%A9").environ

        status, answer = send(environ | {"CONTENT_TYPE": f"application/json; charset={charset}"})

        assert status == "404 Not Found"
        assert b'"code":"NOT_FOUND"' in answer


@pytest.mark.django_db(transaction=True)
class TestChunkedBody:
    @pytest.fixture
    def acme(self) -> Organization:
        return organization()

    def post(self, acme: Organization, body: bytes) -> str:
        environ = RequestFactory().post(keys_path(acme), content_type="application/json").environ
        environ.pop("CONTENT_LENGTH", None)
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        environ["HTTP_AUTHORIZATION"] = f"Bearer {key_of(acme)[1]}"
        return send(environ, body)[0]

    def test_is_read(self, acme: Organization) -> None:
        assert self.post(acme, b'{"name":"k","scopes":["*"]}') == "201 Created"

    @pytest.mark.parametrize("size", [64 * 1024 + 1, MAX_CHUNKED_BYTES + 1])
    def test_may_be_too_long(self, acme: Organization, size: int) -> None:
        assert self.post(acme, b" " * size) == "413 Request Entity Too Large"
