"""When the service says that it can serve."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from config import health


@pytest.fixture(autouse=True)
def forget() -> None:
    health._require_migrated.cache_clear()


@pytest.mark.django_db
class TestHealthz:
    def test_is_200_when_the_database_is_ready(self) -> None:
        assert Client().get("/healthz").status_code == 200

    def test_is_503_until_every_migration_is_applied(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'organizations'")

        assert Client().get("/healthz").status_code == 503

    def test_is_503_when_the_database_does_not_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Client().get("/healthz").status_code == 200

        def gone() -> None:
            raise OperationalError

        with monkeypatch.context() as patched:
            patched.setattr(connection, "cursor", gone)
            response = Client().get("/healthz")

        assert response.status_code == 503
        assert response["Retry-After"] == "1"
