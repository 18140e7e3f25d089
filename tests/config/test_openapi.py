"""The document of the API is valid, complete, and served without the internet."""

import re
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client


@pytest.fixture(scope="module")
def document() -> Any:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return yaml.safe_load(out.getvalue())


@pytest.mark.django_db
class TestSchema:
    def test_says_of_every_operation_how_it_fails_and_who_may_call(self, document: Any) -> None:
        operations = [
            operation for path in document["paths"].values() for operation in path.values()
        ]

        assert operations
        for operation in operations:
            assert {"401", "403", "429", "503"} <= set(operation["responses"])
            assert operation["security"] == [{"apiKey": []}]

    def test_is_served(self) -> None:
        assert Client().get("/api/schema/").status_code == 200

    @pytest.mark.parametrize(
        ("accept", "media_type"),
        [
            (None, "application/vnd.oai.openapi"),
            ("*/*", "application/vnd.oai.openapi"),
            ("application/yaml", "application/yaml"),
            ("application/json, */*;q=0.5", "application/json"),
            ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json"),
            ("application/xml", "application/json"),
            ("nonsense", "application/json"),
        ],
    )
    def test_is_served_as_it_is_asked_for(self, accept: str | None, media_type: str) -> None:
        answer = Client().get("/api/schema/", headers={"accept": accept} if accept else None)

        assert answer.status_code == 200
        assert answer["Content-Type"] == media_type
        assert yaml.safe_load(answer.content)["openapi"]

    @pytest.mark.parametrize(("name", "begins"), [("json", b"{"), ("yaml", b"openapi:")])
    def test_is_served_in_the_format_of_the_query(self, name: str, begins: bytes) -> None:
        assert Client().get(f"/api/schema/?format={name}").content.startswith(begins)

    def test_is_made_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = Client().get("/api/schema/")
        monkeypatch.setattr("config.openapi.SchemaGenerator", None)

        again = Client().get("/api/schema/")
        unchanged = Client().get("/api/schema/", headers={"if-none-match": first["ETag"]})

        assert again.content == first.content
        assert (unchanged.status_code, unchanged.content) == (304, b"")

    def test_may_not_be_posted_to(self) -> None:
        answer = Client().post("/api/schema/", headers={"accept": "application/xml"})

        assert answer.status_code == 405


@pytest.mark.django_db
class TestDocs:
    @pytest.mark.parametrize("accept", ["application/xml", "text/html", "application/json"])
    def test_are_a_page_whatever_is_hoped_for(self, settings: Any, accept: str) -> None:
        settings.STORAGES = settings.STORAGES | {
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        }

        assert Client().get("/api/docs/", headers={"accept": accept}).status_code == 200

    def test_loads_nothing_from_elsewhere(self, settings: Any) -> None:
        settings.STORAGES = settings.STORAGES | {
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        }

        page = Client().get("/api/docs/")

        assert page.status_code == 200
        assert "swagger-ui-bundle.js" in page.content.decode()
        assert not re.search(r'(src|href)="(https?:)?//', page.content.decode())
