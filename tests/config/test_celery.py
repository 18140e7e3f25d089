"""The calendar: what it rings for exists, and an unanswered ring is void before the next."""

from datetime import timedelta
from typing import Any

import pytest
from celery.schedules import crontab

from config.celery import app

CALENDAR = app.conf.beat_schedule
ENTRIES = pytest.mark.parametrize("entry", CALENDAR.values(), ids=CALENDAR.keys())


def interval(schedule: Any) -> timedelta:
    """Return how long it is from one ring to the next."""
    is_crontab = isinstance(schedule, crontab)
    if is_crontab:
        assert (len(schedule.minute), len(schedule.hour)) == (1, 24), "only hourly ones so far"
        return timedelta(hours=1)
    return timedelta(seconds=schedule.run_every.total_seconds())


class TestCalendar:
    @ENTRIES
    def test_rings_for_a_task_that_exists(self, entry: dict[str, Any]) -> None:
        app.loader.import_default_modules()

        assert entry["task"] in app.tasks

    @ENTRIES
    def test_rings_expire_before_the_next(self, entry: dict[str, Any]) -> None:
        assert timedelta(seconds=entry["options"]["expires"]) < interval(entry["schedule"])

    def test_looks_for_money_that_is_due_at_least_every_minute(self) -> None:
        money = [each for each in CALENDAR.values() if each["task"].startswith("credits.")]

        assert len(money) == 4
        assert all(interval(each["schedule"]) <= timedelta(minutes=1) for each in money)

    def test_is_in_utc(self) -> None:
        assert (str(app.conf.timezone), app.conf.enable_utc) == ("UTC", True)


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
