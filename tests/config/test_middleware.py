"""What every answer says of itself, whoever gave it."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from config.middleware import no_store
from tests.admin.conftest import plain_static_files as plain_static_files
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.factories import make_family, make_key, make_organization
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock")
class TestAccessLog:
    def lines(self, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    def test_has_the_request_id_that_a_refusal_promises(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        acme = make_organization(funded=1)
        key, secret = make_key(acme)
        with caplog.at_level(logging.INFO):
            refused = Caller(secret).reserve(10).json()["error"]

        ((level, line),) = self.lines(caplog)
        request_id, method, path, status, code, organization, key_id, took = line.split()
        assert (level, request_id) == ("INFO", refused["requestId"])
        assert (method, path) == ("POST", "/api/v1/usage/reservations")
        assert (status, code) == ("402", "BILLING_EXHAUSTED")
        assert (organization, key_id) == (acme.public_id, key.public_id)
        assert took.endswith("ms")

    def test_names_the_child_that_is_acted_for(self, caplog: pytest.LogCaptureFixture) -> None:
        parent, child = make_family()
        with caplog.at_level(logging.INFO):
            ok(caller_of(parent, acting=child).get("/credits"))

        assert f" 200 - {child.public_id} key_" in self.lines(caplog)[0][1]

    def test_says_of_a_stranger_only_what_was_asked(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            Client().get("/api/v1/who\nami%0A?q=ada@example.com")
            Client().get("/healthz")

        ((level, line),) = self.lines(caplog)
        assert level == "INFO"
        assert " 404 NOT_FOUND - - " in line
        assert "ada" not in line
        assert "\n" not in line


class TestPagesOnly:
    def test_refuses_to_begin_where_a_function_hides_the_views_from_the_api(
        self, settings: Any
    ) -> None:
        first = settings.MIDDLEWARE.index("config.middleware.PagesOnly") + 1
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE[:first],
            "config.middleware.no_store",
            *settings.MIDDLEWARE[first:],
        ]

        with pytest.raises(ImproperlyConfigured, match="middleware hides the view from the API"):
            WSGIHandler()

    def test_begins_with_the_middleware_that_there_is(self) -> None:
        request = RequestFactory().get("/api/v1/nothing")

        assert WSGIHandler().get_response(request).status_code == 404
