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


class TestDocs:
    def test_loads_nothing_from_elsewhere(self, settings: Any) -> None:
        settings.STORAGES = settings.STORAGES | {
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        }

        page = Client().get("/api/docs/")

        assert page.status_code == 200
        assert "swagger-ui-bundle.js" in page.content.decode()
        assert not re.search(r'(src|href)="(https?:)?//', page.content.decode())
