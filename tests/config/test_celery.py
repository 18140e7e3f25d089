"""The calendar: what it rings for exists, and an unanswered ring is void before the next. The beat outlives a clock that jumps."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django_celery_beat.models import PeriodicTask

from config.beat import Scheduler
from config.celery import app
from tests.callers import clock as clock
from tests.factories import NOW


def interval(schedule: Any) -> timedelta:
    """Return how long it is from one ring to the next."""
    if hasattr(schedule, "minute"):
        assert len(schedule.minute) == 1
        return timedelta(hours=1) if len(schedule.hour) == 24 else timedelta(days=1)
    return timedelta(seconds=schedule.run_every.total_seconds())


@pytest.mark.django_db
class TestCalendar:
    def test_rings_for_all_tasks_that_exist_and_no_others(self) -> None:
        app.loader.import_default_modules()

        rung = set(PeriodicTask.objects.values_list("task", flat=True))

        assert rung == {name for name in app.tasks if not name.startswith("celery.")}

    def test_rings_expire_before_the_next(self) -> None:
        for task in PeriodicTask.objects.all():
            assert timedelta(seconds=task.expire_seconds) < interval(task.schedule), task.name

    def test_looks_for_money_that_is_due_at_least_every_minute(self) -> None:
        money = PeriodicTask.objects.filter(task__startswith="credits.", interval__isnull=False)

        assert len(money) == 4
        assert all(interval(each.schedule) <= timedelta(minutes=1) for each in money)

    def test_is_in_utc(self) -> None:
        assert (str(app.conf.timezone), app.conf.enable_utc) == ("UTC", True)
        zones = {str(task.schedule.tz) for task in PeriodicTask.objects.exclude(crontab=None)}
        assert zones == {"UTC"}


@pytest.mark.django_db(transaction=True)
class TestScheduler:
    @pytest.fixture(autouse=True)
    def _rings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rung: list[tuple[str, datetime]] = []

        def ring(scheduler: Scheduler, entry: Any, **_: Any) -> None:
            self.rung.append((entry.name, app.now()))

        monkeypatch.setattr(Scheduler, "apply_async", ring)

    def scheduler(self) -> Scheduler:
        scheduler = Scheduler(app=app)
        # It would write to the database when the process ends; that of the tests is gone then.
        scheduler._finalize.cancel()
        return scheduler

    def test_shows_that_it_turns(self, tmp_path: Path, settings: Any) -> None:
        settings.DATA_DIR = tmp_path / "data"
        before = time.time()

        self.scheduler().tick()

        assert (tmp_path / "data" / "run" / "beat").stat().st_mtime >= before - 1

    def test_turns_where_it_cannot_show_it(self, tmp_path: Path, settings: Any) -> None:
        settings.DATA_DIR = tmp_path / "file"
        settings.DATA_DIR.touch()

        assert self.scheduler().tick() >= 0

    def tick_for(
        self, scheduler: Scheduler, clock: time_machine.Traveller, minutes: int
    ) -> set[str]:
        """Let the scheduler tick through some minutes, and return what it rang for."""
        self.rung.clear()
        for _ in range(minutes * 12):
            clock.shift(5)
            for _ in range(20):
                scheduler.tick()
        return {name for name, _ in self.rung}

    def test_rings_as_the_rows_say(self, clock: time_machine.Traveller) -> None:
        PeriodicTask.objects.update(date_changed=NOW)
        scheduler = self.scheduler()

        assert {"renew", "expire reservations"} <= self.tick_for(scheduler, clock, 2)

        PeriodicTask.objects.filter(name="renew").update(enabled=False)
        assert "renew" not in self.tick_for(self.scheduler(), clock, 2)

    def test_adds_no_task_of_its_own(self) -> None:
        before = set(PeriodicTask.objects.values_list("task", flat=True))

        self.scheduler()

        assert set(PeriodicTask.objects.values_list("task", flat=True)) == before

    def test_goes_on_when_a_clock_jumps_a_year_and_back(
        self, clock: time_machine.Traveller
    ) -> None:
        PeriodicTask.objects.update(date_changed=NOW)
        scheduler = self.scheduler()
        before = self.tick_for(scheduler, clock, 2)
        clock.shift(timedelta(days=365))
        self.tick_for(scheduler, clock, 2)

        clock.shift(timedelta(days=-365))

        assert before <= self.tick_for(scheduler, clock, 2)


class TestMessages:
    def test_come_back_when_their_worker_is_killed(self) -> None:
        assert app.conf.task_acks_late
        assert app.conf.task_reject_on_worker_lost

    def test_come_back_only_after_any_task_has_ended(self) -> None:
        timeout = app.conf.broker_transport_options.get("visibility_timeout", 600)

        assert app.conf.task_soft_time_limit < app.conf.task_time_limit < timeout

    def test_leave_no_results(self) -> None:
        assert app.conf.task_ignore_result
        assert app.conf.result_backend is None
