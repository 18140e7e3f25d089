"""What is rung for and how often, as staff edit it: the calendar's tasks, and the intervals and crontabs they go by. All in UTC."""

from datetime import timedelta
from typing import Any, ClassVar

from celery import current_app
from celery.schedules import crontab
from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget

from credits.admin.rules import RuleAdmin
from organizations import clock, pulse
from organizations.admin import pill
from organizations.admin.cells import moment
from organizations.models import Tick

SHORTEST = timedelta(seconds=5)
LONGEST = timedelta(days=366)
MARGIN_SECONDS = 5
"""How long before the next ring one that nobody answered is void."""
TOO_SHORT = "Five seconds at least: rings would come faster than they are answered."

for beats_own in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(beats_own)


def void_after(task: PeriodicTask) -> int:
    """Return after how many seconds a ring that nobody answered is void: before the next, so that none pile up."""
    seconds = int(shortest_gap(task.schedule).total_seconds())
    return seconds - min(MARGIN_SECONDS, seconds // 4)


def shortest_gap(schedule: Any) -> timedelta:
    """Return the least time there is between two rings. Of a crontab only the minutes matter: hours are further apart."""
    if not isinstance(schedule, crontab):
        run_every: timedelta = schedule.run_every
        return run_every
    minutes: list[int] = sorted(vars(schedule)["minute"])
    following = [*minutes[1:], minutes[0] + 60]
    return timedelta(minutes=min(b - a for a, b in zip(minutes, following, strict=True)))


class TaskForm(forms.ModelForm):
    """A task and when it is rung for: either by an interval or by a crontab."""

    class Meta:
        labels: ClassVar = {"task": "Task", "enabled": "On", "description": "Note"}
        labels |= {"interval": "Interval", "crontab": "Crontab"}
        help_texts: ClassVar = {
            "name": "",
            "task": "",
            "enabled": "Off: nobody rings for it, and nobody complains that it is late.",
            "interval": "How long from one ring to the next; or a crontab below.",
            "crontab": "At which minutes, hours and days, in UTC.",
            "description": "Why it is as it is, for whoever comes next.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "task" in self.fields:
            self.fields["task"] = forms.ChoiceField(
                choices=known_tasks, widget=UnfoldAdminSelectWidget
            )
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 3

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not {"interval", "crontab"} <= set(cleaned):
            return cleaned
        interval, times = cleaned["interval"], cleaned["crontab"]
        if interval is None and times is None:
            self.add_error("interval", "Say how often: by an interval, or by a crontab.")
        elif interval is not None and times is not None:
            self.add_error("crontab", "Either an interval or a crontab, not both.")
        elif interval is not None and interval.schedule.run_every < SHORTEST:
            self.add_error("interval", TOO_SHORT)
        return cleaned

    def validate_unique(self) -> None:
        # The model would say once more, and of the page as a whole, what is wrong with its schedule.
        if not self.errors:
            super().validate_unique()


def known_tasks() -> list[tuple[str, str]]:
    """Return the tasks of this software."""
    current_app.loader.import_default_modules()
    names = sorted(name for name in current_app.tasks if not name.startswith("celery."))
    return [("", "---------"), *((name, name) for name in names)]


class TaskStateFilter(admin.SimpleListFilter):
    """Tasks that are rung for, and those that staff switched off."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("on", "On"), ("off", "Off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"on", "off"}:
            return queryset
        return queryset.filter(enabled=self.value() == "on")


@admin.register(PeriodicTask)
class TaskAdmin(RuleAdmin):
    """What is rung for. It may be switched off or rung for at other times; what the software needs is never taken out."""

    form = TaskForm
    list_display = ("name", "state", "scheduled", "last_tick", "next_due", "task")
    list_filter = (TaskStateFilter,)
    ordering = ("name",)
    search_fields = ("name", "task")
    list_per_page = 50
    fieldsets = (
        (None, {"fields": ("name", "task", "enabled", "description")}),
        ("Rung for (UTC)", {"fields": ("interval", "crontab", "last_tick", "next_due", "void")}),
    )
    readonly_fields = ("last_tick", "next_due", "void")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        tick = Tick.objects.filter(task=OuterRef("task")).values("ticked_at")
        ticked: QuerySet[Any] = rows.annotate(ticked_at=Subquery(tick))
        return ticked.select_related("interval", "crontab")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        # A row that rings for something else would be as bad as one that was deleted.
        return self.readonly_fields if obj is None else ("name", "task", *self.readonly_fields)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is not None:
            return self.fieldsets
        return (self.fieldsets[0], (self.fieldsets[1][0], {"fields": ("interval", "crontab")}))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A second row for a task may go; the last one may only be switched off."""
        if obj is None or not super().has_delete_permission(request, obj):
            return False
        others = PeriodicTask.objects.filter(task=obj.task).exclude(pk=obj.pk)
        return bool(others.exists())

    def write(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.expires = None
        obj.expire_seconds = void_after(obj)
        super().write(request, obj, form, change)

    def in_words(self, form: Any, name: str, value: Any) -> str:
        return (
            human(value)
            if isinstance(value, CrontabSchedule)
            else super().in_words(form, name, value)
        )

    @display(description="State", ordering="enabled")
    def state(self, task: Any) -> SafeString:
        if not task.enabled:
            return pill("off", "quiet")
        is_late = pulse.due_at(task, task.ticked_at) + pulse.GRACE < clock.now()
        return pill("late", "bad") if is_late else pill("on", "good")

    @display(description="Rung for (UTC)")
    def scheduled(self, task: Any) -> str:
        return str(task.interval or (task.crontab and human(task.crontab)) or "–")

    @display(description="Last tick", ordering="ticked_at")
    def last_tick(self, task: Any) -> SafeString | str:
        return moment(task.ticked_at) if task.ticked_at else "never yet"

    @display(description="Next due")
    def next_due(self, task: Any) -> SafeString | str:
        return moment(pulse.due_at(task, task.ticked_at)) if task.enabled else "–"

    @display(description="Void after")
    def void(self, task: Any) -> str:
        if task.expire_seconds is None:
            return "–"
        return f"{task.expire_seconds:,} s, if no worker hears it"


def human(times: CrontabSchedule) -> str:
    """Return a crontab as a sentence."""
    return str(times.human_readable).removesuffix(" UTC")


class TimesAdmin(RuleAdmin):
    """What tasks go by. Whoever wants another one adds it and chooses it there: what has a name stays what it is."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what no task goes by: beat would delete the tasks with it."""
        if obj is None or not super().has_delete_permission(request, obj):
            return False
        return not obj.periodictask_set.exists()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related("periodictask_set")

    @display(description="Rings for")
    def tasks(self, times: Any) -> SafeString | str:
        names = sorted(task.name for task in times.periodictask_set.all())
        return format_html("{}", ", ".join(names)) if names else "nothing"


class IntervalForm(forms.ModelForm):
    """An interval that beat can keep and that nobody else has added."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"every", "period"} <= set(cleaned):
            problem = self._problem(cleaned["every"], cleaned["period"])
            if problem:
                self.add_error("every", problem)
        return cleaned

    def _problem(self, every: int, period: str) -> str | None:
        try:
            span = timedelta(**{period: every})
        except OverflowError:
            span = timedelta.max
        if span < SHORTEST:
            return TOO_SHORT
        if span > LONGEST:
            return "A year at most."
        if IntervalSchedule.objects.filter(every=every, period=period).exists():
            return "This interval is there already: choose it for the task."
        return None


@admin.register(IntervalSchedule)
class IntervalAdmin(TimesAdmin):
    """Intervals, from one ring to the next."""

    form = IntervalForm
    fields = ("every", "period")
    list_display = ("__str__", "tasks")


class CrontabForm(forms.ModelForm):
    """A crontab that comes round at all and that nobody else has added."""

    def validate_unique(self) -> None:
        super().validate_unique()
        # By now the model has looked at each field by itself.
        if self.errors:
            return
        if CrontabSchedule.objects.filter(**self.cleaned_data, timezone="UTC").exists():
            self.add_error(None, "This crontab is there already: choose it for the task.")
        elif not self._comes_round():
            self.add_error("day_of_month", "There is no such day in these months.")

    def _comes_round(self) -> bool:
        times = CrontabSchedule(**self.cleaned_data, timezone="UTC")
        try:
            times.schedule.remaining_delta(clock.now())
        except (RuntimeError, ValueError):
            return False
        return True


@admin.register(CrontabSchedule)
class CrontabAdmin(TimesAdmin):
    """Crontabs: the minutes, hours and days on which a task is rung for, in UTC."""

    form = CrontabForm
    fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    list_display = ("read", "__str__", "tasks")

    def write(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.timezone = "UTC"
        super().write(request, obj, form, change)

    @display(description="Crontab (UTC)")
    def read(self, times: CrontabSchedule) -> str:
        return human(times)
