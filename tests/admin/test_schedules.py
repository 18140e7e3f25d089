"""The pages of what is rung for and how often: what they show, what they refuse, and that nothing the software needs goes missing."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)
from unfold.admin import ModelAdmin

from config.admin.schedules import void_after
from organizations.models import Tick
from tests.admin.browser import CONFIRMED, errors_of, fill_in_page
from tests.admin.people import staff_who_may
from tests.admin.test_pages import list_of, page, queries_of
from tests.factories import NOW, later

pytestmark = pytest.mark.django_db(transaction=True)

MODELS: list[type[Model]] = [PeriodicTask, IntervalSchedule, CrontabSchedule]
RENEW = "credits.tasks.renew"


@pytest.fixture(autouse=True)
def _since_now(transactional_db: None) -> None:
    PeriodicTask.objects.update(date_changed=NOW)


def task(name: str = "renew") -> Any:
    return PeriodicTask.objects.get(name=name)


def every(number: int, period: str = "seconds") -> IntervalSchedule:
    interval, _ = IntervalSchedule.objects.get_or_create(every=number, period=period)
    return interval


def at(minute: str, hour: str = "*") -> CrontabSchedule:
    times, _ = CrontabSchedule.objects.get_or_create(minute=minute, hour=hour, timezone="UTC")
    return times


def save(client: Client, **fields: Any) -> Any:
    url = page(PeriodicTask, "change", task().pk)
    return client.post(url, fill_in_page(client, url, **fields))


def add(client: Client, model: type[Model], **fields: Any) -> Any:
    url = page(model, "add")
    return client.post(url, fill_in_page(client, url, **fields))


def html(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())


class TestEveryPage:
    def test_opens_under_the_theme(self, ana: Client) -> None:
        for model in MODELS:
            row = model._default_manager.first()
            assert row is not None
            assert isinstance(admin.site._registry[model], ModelAdmin)
            urls = [list_of(model), page(model, "add")]
            urls += [page(model, what, row.pk) for what in ("change", "history")]
            assert [ana.get(url).status_code for url in urls] == [200] * 4

    @pytest.mark.parametrize("model", MODELS)
    def test_is_closed_to_staff_without_its_permission(self, model: type[Model]) -> None:
        client = staff_who_may()
        row = model._default_manager.first()
        assert row is not None

        urls = [list_of(model), page(model, "add"), page(model, "change", row.pk)]

        assert [client.get(url).status_code for url in urls] == [403] * 3

    @pytest.mark.parametrize("model", [SolarSchedule, ClockedSchedule])
    def test_is_not_there_for_what_nobody_uses(self, model: type[Model]) -> None:
        assert model not in admin.site._registry

    @pytest.mark.parametrize("model", MODELS)
    def test_asks_as_often_for_many_rows_as_for_few(self, ana: Client, model: type[Model]) -> None:
        few = len(queries_of(ana, list_of(model)))
        for number in range(4):
            name = f"more {number}"
            PeriodicTask.objects.create(name=name, task=RENEW, interval=every(600 + number))
            at(str(number), "5")

        assert len(queries_of(ana, list_of(model))) == few


class TestList:
    def test_shows_the_last_tick_and_when_the_next_is_due(self, ana: Client) -> None:
        PeriodicTask.objects.exclude(name="renew").delete()
        PeriodicTask.objects.update(last_run_at=NOW)
        Tick.objects.create(task=RENEW, ticked_at=later(seconds=-5))

        shown = html(ana, list_of(PeriodicTask))

        assert "every 20 seconds" in shown
        assert f"{later(seconds=-5):%Y-%m-%d %H:%M:%S}" in shown
        assert f"{later(seconds=15):%Y-%m-%d %H:%M:%S}" in shown
        assert "pill-good" in shown

    def test_says_what_is_late_and_what_is_off(self, ana: Client) -> None:
        PeriodicTask.objects.exclude(name="renew").delete()
        PeriodicTask.objects.update(last_run_at=NOW)
        Tick.objects.create(task=RENEW, ticked_at=later(minutes=-5))

        assert '<span class="pill pill-bad">late</span>' in html(ana, list_of(PeriodicTask))

        PeriodicTask.objects.update(enabled=False)

        shown = html(ana, list_of(PeriodicTask))
        assert '<span class="pill pill-quiet">off</span>' in shown
        assert "pill-bad" not in shown

    def test_is_filtered_by_state(self, ana: Client) -> None:
        PeriodicTask.objects.filter(name="prune").update(enabled=False)

        def names(state: str) -> set[str]:
            answer = ana.get(list_of(PeriodicTask), {"state": state})
            return {row.name for row in answer.context["cl"].result_list}

        assert names("off") == {"prune"}
        assert names("on") == names("x") - {"prune"}


class TestTask:
    def test_is_rung_for_at_another_interval(self, ana: Client) -> None:
        PeriodicTasks.objects.update(last_update=later(days=-1))

        answer = save(ana, interval=every(60).pk)

        assert answer.status_code == 302
        assert (task().interval.every, task().expire_seconds) == (60, 55)
        # That is where beat looks whether it must read the rows again.
        assert PeriodicTasks.last_change() == NOW

    def test_is_rung_for_by_a_crontab(self, ana: Client) -> None:
        answer = save(ana, interval="", crontab=at("0,15,30,45").pk)

        assert answer.status_code == 302
        assert (task().interval, task().crontab, task().expire_seconds) == (
            None,
            at("0,15,30,45"),
            895,
        )

    def test_is_switched_off_and_on(self, ana: Client) -> None:
        save(ana, enabled=None)
        assert not task().enabled

        save(ana, enabled="on")
        assert task().enabled

    def test_is_refused_without_a_schedule(self, ana: Client) -> None:
        answer = save(ana, interval="", crontab="")

        problem = "Say how often: by an interval, or by a crontab."
        assert errors_of(answer) == {"interval": [problem]}
        assert task().interval.every == 20

    def test_is_refused_with_a_schedule_that_is_not_there(self, ana: Client) -> None:
        assert list(errors_of(save(ana, interval="999999"))) == ["interval"]

    def test_is_refused_with_two_schedules(self, ana: Client) -> None:
        answer = save(ana, crontab=at("10", "3").pk)

        assert errors_of(answer) == {"crontab": ["Either an interval or a crontab, not both."]}

    def test_is_refused_below_five_seconds(self, ana: Client) -> None:
        answer = save(ana, interval=every(4).pk)

        assert list(errors_of(answer)) == ["interval"]
        assert "Five seconds at least" in errors_of(answer)["interval"][0]
        assert save(ana, interval=every(5).pk).status_code == 302

    def test_keeps_its_name_and_what_it_rings_for(self, ana: Client) -> None:
        save(ana, name="other", task="usage.tasks.prune")

        assert task().task == RENEW
        assert not PeriodicTask.objects.filter(name="other").exists()

    def test_is_audited_with_before_and_after(self, ana: Client) -> None:
        save(ana, interval=every(60).pk, enabled=None)

        entry = LogEntry.objects.get()
        assert entry.user.get_username() == "ana"
        assert entry.get_change_message() == (
            "renew: every 60 seconds: On: yes → no, Interval: every 20 seconds → every 60 seconds. "
            "Reason: asked for by mail"
        )
        assert "every 60 seconds" in html(ana, page(PeriodicTask, "history", task().pk))

    def test_is_not_deleted(self, ana: Client) -> None:
        row = task()

        answer = ana.post(page(PeriodicTask, "delete", row.pk), {"post": "yes", **CONFIRMED})
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        ana.post(list_of(PeriodicTask), chosen)

        assert answer.status_code == 403
        assert task() == row
        assert 'name="action"' not in html(ana, list_of(PeriodicTask))

    def test_is_edited_only_by_who_may(self) -> None:
        client = staff_who_may("django_celery_beat.view_periodictask")

        answer = client.post(page(PeriodicTask, "change", task().pk), {"interval": every(60).pk})

        assert answer.status_code == 403
        assert task().interval.every == 20


class TestSecondTask:
    def test_is_added_and_taken_out_again(self, ana: Client) -> None:
        fields = {"name": "renew at night", "task": RENEW, "crontab": at("5", "2").pk}

        assert add(ana, PeriodicTask, **fields).status_code == 302
        second = task("renew at night")
        assert (second.enabled, second.expire_seconds) == (True, 3_595)

        ana.post(page(PeriodicTask, "delete", second.pk), {"post": "yes", **CONFIRMED})
        assert not PeriodicTask.objects.filter(name="renew at night").exists()

    def test_rings_only_for_what_there_is(self, ana: Client) -> None:
        answer = add(ana, PeriodicTask, name="evil", task="os.system", interval=every(60).pk)

        assert list(errors_of(answer)) == ["task"]

    def test_needs_a_name_of_its_own(self, ana: Client) -> None:
        answer = add(ana, PeriodicTask, name="renew", task=RENEW, interval=every(60).pk)

        assert list(errors_of(answer)) == ["name"]

    def test_escapes_its_name(self, ana: Client) -> None:
        fields = {"name": "<script>alert(1)</script>", "task": RENEW, "interval": every(60).pk}
        add(ana, PeriodicTask, **fields)
        one = PeriodicTask.objects.get(name__contains="alert")

        for url in (
            list_of(PeriodicTask),
            list_of(IntervalSchedule),
            page(PeriodicTask, "change", one.pk),
        ):
            assert "<script>alert" not in html(ana, url), url


class TestVoidAfter:
    @pytest.mark.parametrize(
        ("by", "seconds"),
        [
            ({"interval": (5, "seconds")}, 4),
            ({"interval": (20, "seconds")}, 15),
            ({"interval": (30, "seconds")}, 25),
            ({"interval": (5, "minutes")}, 295),
            ({"interval": (1, "days")}, 86_395),
            ({"crontab": ("10", "3")}, 3_595),
            ({"crontab": ("*", "*")}, 55),
            ({"crontab": ("0,5", "*")}, 295),
            ({"crontab": ("59,0", "*")}, 55),
        ],
    )
    def test_is_before_the_next_ring(self, by: dict[str, Any], seconds: int) -> None:
        schedules: dict[str, Any] = {name: (every if name == "interval" else at) for name in by}
        row = PeriodicTask(**{name: schedules[name](*by[name]) for name in by})

        assert void_after(row) == seconds

    def test_is_as_the_calendar_comes(self) -> None:
        for row in PeriodicTask.objects.exclude(interval=None):
            assert void_after(row) == row.expire_seconds, row.name


class TestTimes:
    def test_are_added(self, ana: Client) -> None:
        assert add(ana, IntervalSchedule, every=7, period="minutes").status_code == 302
        assert add(ana, CrontabSchedule, minute="7", hour="4").status_code == 302

        assert IntervalSchedule.objects.filter(every=7, period="minutes").exists()
        assert str(CrontabSchedule.objects.get(minute="7").timezone) == "UTC"

    @pytest.mark.parametrize(
        ("number", "period", "problem"),
        [
            (4, "seconds", "Five seconds at least"),
            (4_999_999, "microseconds", "Five seconds at least"),
            (0, "hours", "Five seconds at least"),
            (367, "days", "A year at most"),
            (2_147_483_647, "days", "A year at most"),
            (20, "seconds", "there already"),
            ("x", "seconds", "whole number"),
        ],
    )
    def test_are_refused_as_intervals(
        self, ana: Client, number: Any, period: str, problem: str
    ) -> None:
        errors = errors_of(add(ana, IntervalSchedule, every=number, period=period))

        assert list(errors) == ["every"]
        assert problem in errors["every"][0]

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"minute": "60"}, "minute"),
            ({"minute": "x"}, "minute"),
            ({"hour": "24"}, "hour"),
            ({"day_of_week": "9"}, "day_of_week"),
            ({"day_of_month": "30", "month_of_year": "2"}, "day_of_month"),
            ({"minute": "10", "hour": "3"}, "__all__"),
        ],
    )
    def test_are_refused_as_crontabs(self, ana: Client, fields: dict[str, str], name: str) -> None:
        assert list(errors_of(add(ana, CrontabSchedule, **fields))) == [name]

    def test_are_not_changed_under_their_tasks(self, ana: Client) -> None:
        interval = every(20)

        answer = ana.post(
            page(IntervalSchedule, "change", interval.pk), {"every": 3, "period": "days"}
        )

        assert answer.status_code == 403
        assert every(20) == interval

    @pytest.mark.parametrize("model", [IntervalSchedule, CrontabSchedule])
    def test_are_deleted_only_where_no_task_goes_by_them(
        self, ana: Client, model: type[Model]
    ) -> None:
        tasks = PeriodicTask.objects.count()
        used = model._default_manager.filter(periodictask__isnull=False).first()
        unused = every(77) if model is IntervalSchedule else at("7", "7")
        assert used is not None

        answers = [
            ana.post(page(model, "delete", row.pk), {"post": "yes", **CONFIRMED})
            for row in (used, unused)
        ]

        assert [answer.status_code for answer in answers] == [403, 302]
        assert model._default_manager.filter(pk=used.pk).exists()
        assert not model._default_manager.filter(pk=unused.pk).exists()
        assert PeriodicTask.objects.count() == tasks

    def test_say_what_goes_by_them(self, ana: Client) -> None:
        every(77)

        shown = html(ana, list_of(IntervalSchedule))

        assert "expire reservations" in shown
        assert "nothing" in shown
