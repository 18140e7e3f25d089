"""The pulse of the calendar: what it complains of, and what it does not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.checks import Tags, registry
from django.core.management import call_command
from django.db import connection, transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from organizations import pulse
from organizations.models import Tick
from tests.callers import clock as clock
from tests.factories import NOW, later

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("clock", "only_ours"),
]

Clock = time_machine.Traveller
LONG_AGO = later(days=-30)


@pytest.fixture
def only_ours(transactional_db: None) -> None:
    PeriodicTask.objects.all().delete()


def rung_for(
    *, every: int | None = None, daily_at: int | None = None, rung: int = 1, **fields: Any
) -> PeriodicTask:
    """Make a task that has been rung for since long ago: each so many seconds, or daily at an hour."""
    by: dict[str, Any] = {}
    if every is not None:
        by["interval"], _ = IntervalSchedule.objects.get_or_create(every=every, period="seconds")
    if daily_at is not None:
        by["crontab"], _ = CrontabSchedule.objects.get_or_create(minute="0", hour=str(daily_at))
    task = PeriodicTask.objects.create(name="chores", task="tasks.chores", **by)
    usual = {"date_changed": LONG_AGO, "last_run_at": NOW if rung else None}
    PeriodicTask.objects.update(**{**usual, "total_run_count": rung, **fields})
    task.refresh_from_db()
    return task


def heard(at: datetime) -> None:
    Tick.objects.create(task="tasks.chores", ticked_at=at)


def late(now: datetime = NOW) -> list[tuple[datetime, datetime | None]]:
    return [(one.due_at, one.ticked_at) for one in pulse.late(now=now)]


class TestLate:
    def test_is_nothing_while_an_interval_is_kept(self) -> None:
        rung_for(every=30)
        heard(later(seconds=-29))

        assert late() == []

    def test_forgives_two_minutes(self) -> None:
        rung_for(every=30)
        heard(NOW)

        assert late(later(seconds=30 + 120)) == []
        assert late(later(seconds=30 + 121)) == [(later(seconds=30), NOW)]

    def test_is_a_daily_task_that_missed_its_hour(self) -> None:
        rung_for(daily_at=3)
        night = NOW.replace(hour=3, minute=0, second=0, microsecond=0)
        heard(night + timedelta(seconds=2))

        tomorrow = night + timedelta(days=1)

        assert late(tomorrow + timedelta(minutes=2)) == []
        assert late(tomorrow + timedelta(minutes=3)) == [(tomorrow, night + timedelta(seconds=2))]

    def test_is_a_task_that_nobody_ever_rang_for(self) -> None:
        rung_for(every=30, rung=0, date_changed=later(minutes=-10))

        assert late() == [(later(minutes=-10, seconds=30), None)]

    def test_is_a_task_that_beat_rings_for_and_no_worker_ever_heard(self) -> None:
        # Beat writes down its last ring as often as it rings, which must not look like an answer.
        rung_for(every=30, rung=20, last_run_at=later(seconds=-10), date_changed=later(seconds=-10))

        assert late() == [(later(seconds=-10 - 19 * 30), None)]

    def test_is_a_daily_task_that_no_worker_ever_heard(self) -> None:
        rung_for(daily_at=3, last_run_at=later(minutes=-5))

        assert late() == [(later(minutes=-5), None)]

    def test_is_a_task_that_no_worker_hears_any_more(self) -> None:
        rung_for(every=30, rung=900, last_run_at=later(seconds=-1), date_changed=later(seconds=-1))
        heard(later(minutes=-7))

        assert late() == [(later(minutes=-7, seconds=30), later(minutes=-7))]

    def test_is_not_what_is_switched_off(self) -> None:
        rung_for(every=30, enabled=False)
        heard(LONG_AGO)

        assert late() == []

    @pytest.mark.parametrize("when", [{"every": 30}, {"daily_at": 3}])
    def test_is_not_what_was_missed_while_it_was_switched_off(self, when: dict[str, int]) -> None:
        task = rung_for(**when)
        heard(LONG_AGO)
        task.enabled = False
        task.save()
        task.enabled = True
        task.save()

        assert late() == []

    def test_is_what_nobody_heard_since_it_was_switched_on(self, clock: Clock) -> None:
        task = rung_for(every=30, enabled=False, last_run_at=None, rung=0)
        heard(LONG_AGO)
        task.enabled = True
        task.save()

        assert late(later(minutes=3)) == [(later(seconds=30), LONG_AGO)]

    def test_names_the_longest_overdue_first(self) -> None:
        rung_for(every=30)
        heard(later(minutes=-5))
        other = PeriodicTask.objects.create(
            name="other", task="tasks.other", interval=IntervalSchedule.objects.get(every=30)
        )
        PeriodicTask.objects.filter(pk=other.pk).update(date_changed=LONG_AGO)

        assert [one.name for one in pulse.late(now=NOW)] == ["other", "chores"]


class TestBeatHasTicked:
    def complaints(self) -> list[str]:
        return [str(one.msg) for one in pulse.beat_has_ticked(databases=["default"])]

    def test_complains_of_an_old_tick(self) -> None:
        rung_for(every=30)
        heard(later(minutes=-10))

        (complaint,) = self.complaints()

        assert complaint.startswith("chores: due on 2026-05-")
        assert ", last on 2026-05-" in complaint

    def test_is_silent_when_the_tick_is_fresh(self) -> None:
        rung_for(every=30)
        heard(NOW)

        assert self.complaints() == []

    def test_is_silent_of_what_is_switched_off(self) -> None:
        rung_for(every=30, enabled=False)

        assert self.complaints() == []

    def test_is_silent_when_nobody_asks_for_a_database(self) -> None:
        rung_for(every=30)
        heard(LONG_AGO)

        assert pulse.beat_has_ticked(databases=None) == []

    @pytest.mark.parametrize("table", ["organizations_tick", "django_celery_beat_periodictask"])
    def test_is_silent_before_the_tables_are_there(self, table: str) -> None:
        rung_for(every=30)
        heard(LONG_AGO)

        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
            complaints = self.complaints()
            transaction.set_rollback(True)

        assert complaints == []
        assert self.complaints() != []

    def test_is_one_of_the_checks_of_manage(self, capsys: pytest.CaptureFixture[str]) -> None:
        rung_for(every=30)
        heard(LONG_AGO)

        call_command("check", databases=["default"])

        assert pulse.beat_has_ticked in registry.registry.get_checks()
        assert Tags.database in pulse.beat_has_ticked.tags
        assert "chores: due on" in capsys.readouterr().err


class TestNothingIsSwitchedOff:
    def complaints(self) -> list[str]:
        return [str(one.msg) for one in pulse.nothing_is_switched_off(databases=["default"])]

    def test_complains_of_a_task_that_nobody_rings_for(self) -> None:
        rung_for(every=30, enabled=False)

        assert self.complaints() == ["chores: switched off"]

    def test_is_silent_where_everything_is_on(self) -> None:
        rung_for(every=30)

        assert self.complaints() == []

    def test_is_silent_when_nobody_asks_for_a_database(self) -> None:
        rung_for(every=30, enabled=False)

        assert pulse.nothing_is_switched_off(databases=None) == []

    def test_is_silent_before_the_table_is_there(self) -> None:
        rung_for(every=30, enabled=False)

        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE django_celery_beat_periodictask RENAME TO elsewhere")
            complaints = self.complaints()
            transaction.set_rollback(True)

        assert complaints == []

    def test_is_one_of_the_checks_of_manage(self, capsys: pytest.CaptureFixture[str]) -> None:
        rung_for(every=30, enabled=False)

        call_command("check", databases=["default"])

        assert "chores: switched off" in capsys.readouterr().err
