"""When the service says that it can serve."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config import health
from organizations.models import Tick


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


@pytest.mark.django_db
class TestCalendar:
    @pytest.fixture(autouse=True)
    def _on_time(self, db: None) -> None:
        self.now = timezone.now()
        PeriodicTask.objects.update(date_changed=self.now, last_run_at=self.now)
        for task in PeriodicTask.objects.all():
            Tick.objects.create(task=task.task, ticked_at=self.now)

    def be_late(self) -> None:
        old = self.now - timedelta(minutes=10)
        Tick.objects.filter(task="credits.tasks.renew").update(ticked_at=old)

    def test_is_200_when_everything_was_rung_for(self) -> None:
        response = Client().get("/healthz/calendar")

        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    def test_is_503_and_names_what_is_late(self) -> None:
        self.be_late()

        response = Client().get("/healthz/calendar")

        assert response.status_code == 503
        assert response.json()["status"] == "late"
        (late,) = response.json()["late"]
        assert late.startswith("renew: due on ")

    def test_does_not_wake_anybody_for_what_is_switched_off(self) -> None:
        self.be_late()
        PeriodicTask.objects.filter(name="renew").update(enabled=False)

        answer = Client().get("/healthz/calendar")

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "switchedOff": ["renew"]}

    def test_leaves_the_health_of_the_service_alone(self) -> None:
        self.be_late()

        assert Client().get("/healthz").status_code == 200

    def test_is_503_when_the_database_does_not_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*_: object, **__: object) -> None:
            raise OperationalError

        monkeypatch.setattr("organizations.pulse.late", gone)
        response = Client().get("/healthz/calendar")

        assert (response.status_code, response.json()) == (503, {"status": "unavailable"})
        assert response["Retry-After"] == "1"

    @pytest.mark.parametrize("checks", [False, True])
    def test_answers_a_post_as_healthz_does(self, checks: bool) -> None:
        client = Client(enforce_csrf_checks=checks)

        answers = [client.post(path).status_code for path in ("/healthz", "/healthz/calendar")]

        assert answers == ([403, 403] if checks else [200, 200])
