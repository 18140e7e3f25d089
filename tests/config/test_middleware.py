"""What every answer says of itself, whoever gave it."""

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client

from config.middleware import no_store
from tests.admin.conftest import plain_static_files as plain_static_files
from tests.organizations.people import client_of, keys_path, organization
from tests.routes import views


@pytest.mark.django_db
class TestNoStore:
    def test_forbids_to_keep_a_secret(self) -> None:
        acme = organization()
        caller = client_of(acme)
        body = {"name": "a", "scopes": ["usage:read"]}

        minted = caller.post(keys_path(acme), body, headers={"Idempotency-Key": "mint"})
        repeated = caller.post(keys_path(acme), body, headers={"Idempotency-Key": "mint"})
        rotated = caller.post(f"{keys_path(acme)}/{minted.json()['id']}/rotate", {})

        assert [each.status_code for each in (minted, repeated, rotated)] == [201, 201, 200]
        assert {each["Cache-Control"] for each in (minted, repeated, rotated)} == {"no-store"}

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/api/v1/whoami", ""),
            ("POST", "/api/v1/usage/reservations", "{"),
            ("DELETE", "/api/v1/whoami", ""),
            ("GET", "/api/v1/nothing", ""),
            ("GET", "/api/v1/whoami?a=%00", ""),
            ("GET", "/healthz", ""),
            ("GET", "/nothing", ""),
        ],
    )
    def test_forbids_to_keep_what_went_well_or_wrong(
        self, method: str, path: str, body: str
    ) -> None:
        for caller in (Client(), client_of(organization())):
            answer = caller.generic(method, path, body, content_type="application/json")

            assert "no-store" in answer["Cache-Control"], answer.status_code

    def test_forbids_to_keep_a_page_of_the_admin(self) -> None:
        User.objects.create_superuser("admin", password="a password of the tests")
        browser = Client()

        login = browser.get("/admin/login/")
        assert "no-store" in login["Cache-Control"]
        assert browser.login(username="admin", password="a password of the tests")
        pages = [path for path, _ in views() if path.startswith("admin/") and "<" not in path]
        assert len(pages) > 10
        for page in [path for path in pages if "jsi18n" not in path]:
            assert "no-store" in browser.get(f"/{page}")["Cache-Control"], page


class TestWithoutADatabase:
    def test_leaves_an_answer_alone_that_says_how_long_it_holds(self) -> None:
        answer = HttpResponse(headers={"Cache-Control": "max-age=60"})

        assert no_store(lambda _: answer)(HttpRequest())["Cache-Control"] == "max-age=60"
