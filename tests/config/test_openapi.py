"""The document of the API is valid, complete, and served without the internet."""

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

# The document takes seconds to make and to validate: one process does.
pytestmark = pytest.mark.xdist_group("openapi")


@pytest.fixture(scope="module")
def document() -> Any:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return read(out.getvalue())


def read(text: str | bytes) -> Any:
    """Read YAML as `safe_load` does, by the library in C where there is one: ten times as fast."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield the method, the path and what is said of each door."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def schema_of(document: Any, *, path: str, method: str, status: str) -> Any:
    """Return the schema of an answer, and what it refers to in its place."""
    content = document["paths"][path][method]["responses"][status]["content"]
    return resolved(document, content["application/json"]["schema"])


def resolved(document: Any, schema: Any) -> Any:
    """Return a schema with the components it refers to in its place, as far down as it goes."""
    if isinstance(schema, list):
        return [resolved(document, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(document, document["components"]["schemas"][name])
    return {name: resolved(document, each) for name, each in schema.items()}


def objects(schema: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every schema of an object that is somewhere in a part of the document, with its place."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield at, schema
        for name, each in schema.items():
            yield from objects(each, f"{at}/{name}")
    if isinstance(schema, list):
        for each in schema:
            yield from objects(each, at)


class TestDocument:
    def test_says_of_every_operation_how_it_fails_and_who_may_call(self, document: Any) -> None:
        assert list(operations(document))
        for method, path, operation in operations(document):
            statuses = set(operation["responses"])
            is_layers = path.startswith("/api/v1/") and not path.startswith("/api/v1/ai/")
            assert {"400", "401", "403", "404", "429", "500", "503"} <= statuses
            assert ("422" in statuses) == is_layers
            assert method == "get" or {"408", "409", "413", "415"} <= statuses
            assert operation["security"] == [{"apiKey": []}]

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/api/v1/credits", ["error"]),
            ("/api/usage", ["code", "error", "message", "statusCode"]),
            ("/api/v1/ai/credit-controls", ["detail", "status"]),
        ],
    )
    def test_says_it_in_the_envelope_of_the_contract(
        self, document: Any, path: str, fields: list[str]
    ) -> None:
        schema = schema_of(document, path=path, method="get", status="403")

        assert sorted(schema["properties"]) == sorted(schema["required"]) == fields

    def test_says_in_the_envelope_of_layers_what_the_others_do_not_know(
        self, document: Any
    ) -> None:
        limits = "/api/v1/ai/credit-controls/users"

        assert "error" in schema_of(document, path=limits, method="patch", status="413")["required"]
        failed = schema_of(document, path=limits, method="patch", status="500")
        assert sorted(failed["required"]) == ["error", "message"]

    @pytest.mark.parametrize(
        "path", ["/api/v1/usage/reservations", "/api/v1/usage/reservations/{rsv_id}/grow"]
    )
    def test_has_a_402_with_its_details(self, document: Any, path: str) -> None:
        error = schema_of(document, path=path, method="post", status="402")["properties"]["error"]
        details = error["properties"]["details"]

        assert "details" in error["required"]
        assert sorted(details["required"]) == [
            "affordableCredits",
            "affordableOutputTokens",
            "limits",
            "reason",
            "unblocksAt",
        ]
        assert details["properties"]["unblocksAt"]["type"] == ["string", "null"]
        assert details["properties"]["limits"]["items"]["properties"]["binding"] == {
            "type": "boolean"
        }

    def test_has_no_object_of_whatever(self, document: Any) -> None:
        found = [
            at
            for at, schema in objects(document)
            if not schema.get("properties") and not schema.get("additionalProperties")
        ]

        assert found == []

    def test_says_of_each_body_that_it_has_no_other_fields(self, document: Any) -> None:
        bodies = [
            resolved(document, operation["requestBody"]["content"]["application/json"]["schema"])
            for _, _, operation in operations(document)
            if "requestBody" in operation
        ]

        assert bodies
        assert all(body["additionalProperties"] is False for body in bodies)

    def test_speaks_to_clients_and_not_of_our_code(self, document: Any) -> None:
        ours = re.compile(r"context|Reading|serializer|`\w+_\w+`")
        said = {
            name: schema.get("description", "")
            for name, schema in document["components"]["schemas"].items()
        }

        assert [name for name, text in said.items() if ours.search(text)] == []

    def test_names_the_headers_of_repeats_and_of_waiting(self, document: Any) -> None:
        answers = document["paths"]["/api/v1/usage/reservations"]["post"]["responses"]

        assert {"Idempotency-Replayed", "X-Present-Status"} <= set(answers["201"]["headers"])
        assert "Retry-After" in answers["429"]["headers"]
        assert "Retry-After" in answers["503"]["headers"]
        assert "WWW-Authenticate" in answers["401"]["headers"]
        assert set(document["components"]["headers"]) >= set(answers["201"]["headers"])

    def test_says_where_a_moment_takes_no_offset(self, document: Any) -> None:
        """What is `date-time` takes one: clients write it."""

        def since(path: str) -> Any:
            parameters = document["paths"][path]["get"]["parameters"]
            return next(each["schema"] for each in parameters if each["name"] == "since")

        assert since("/api/v1/usage/events") == {"type": "string", "format": "date-time"}
        assert "format" not in since("/api/v1/credits/events")

    def test_needs_a_body_where_nothing_works_without(self, document: Any) -> None:
        paths = document["paths"]
        rotate = "/api/v1/organizations/{org_id}/api-keys/{key_id}/rotate"

        assert paths["/api/v1/usage/check"]["post"]["requestBody"]["required"]
        assert "required" not in paths[rotate]["post"]["requestBody"]

    def test_names_the_codes_of_a_status(self, document: Any) -> None:
        refused = document["paths"]["/api/v1/usage/reservations"]["post"]["responses"]["402"]

        assert "BILLING_EXHAUSTED" in refused["description"]


@pytest.mark.django_db
class TestSchema:
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
        assert read(answer.content)["openapi"]

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
