"""The jobs as staff see them: which of the calendar's work runs, how far it is, and who has which part of it."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from organizations import clock
from organizations.admin.cells import duration, moment, pill
from organizations.admin.change_lists import ChipList
from organizations.admin.columns import ViewOnlyAdmin
from organizations.admin.windows import WindowFilter
from organizations.models import Finding, Job

ROWS = 50
"""How many failures and findings the page of a job shows; the rest is in their own lists."""


def _width(part: int, whole: int) -> str:
    """Return how wide a part of a bar is, in percent. Whatever is there is seen."""
    return f"{min(100.0, part * 100 / whole):.1f}" if part and whole else "0"


class JobList(ChipList):
    """A page of jobs, of which it is then asked in which there are findings: one may have thousands, and most have none."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        jobs = [job.pk for job in self.result_list]
        found = set(Finding.objects.filter(job__in=jobs).values_list("job", flat=True).distinct())
        for job in self.result_list:
            job.has_findings = job.pk in found


class JobStateFilter(admin.SimpleListFilter):
    """Jobs that are under way, and those that went wrong somewhere."""

    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, Any]] = {
        "running": Q(finished_at__isnull=True),
        "finished": Q(finished_at__isnull=False),
        "failures": Q(failed__gt=0),
        "findings": Exists(Finding.objects.filter(job=OuterRef("pk"))),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("running", "Running"),
            ("finished", "Finished"),
            ("failures", "With failures"),
            ("findings", "With findings"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        condition = self.conditions.get(self.value() or "")
        return queryset.filter(condition) if condition is not None else queryset


@admin.register(Job)
class JobAdmin(ViewOnlyAdmin):
    """Jobs, newest first. Workers write them; the page of one shows who has which part of it."""

    nothing = "No job has run yet. The calendar starts them by itself."
    list_display = (
        "kind",
        "state_shown",
        "progress",
        "started",
        "took",
        "due_by",
    )
    list_filter = ("kind", JobStateFilter, ("started_at", WindowFilter))
    list_filter_submit = True
    ordering = ("-started_at", "-id")
    search_fields = ("kind",)
    search_help_text = "Kind of work"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("kind", "state_shown"),
                    "progress",
                    ("due_by", "started"),
                    ("finished", "took"),
                )
            },
        ),
    )
    change_form_outer_after_template = "admin/organizations/job/parts.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChipList]:
        return JobList

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        job = self.get_object(request, object_id) if object_id else None
        if job is not None and self.has_view_permission(request, job):
            extra_context = {**(extra_context or {}), **_parts(job, now=clock.now())}
        return super().changeform_view(request, object_id, form_url, extra_context)

    @display(description="Started", ordering="started_at")
    def started(self, job: Job) -> SafeString | str:
        return moment(job.started_at)

    @display(description="Finished", ordering="finished_at")
    def finished(self, job: Job) -> SafeString | str:
        return moment(job.finished_at)

    @display(description="Due by", ordering="due_at")
    def due_by(self, job: Job) -> str:
        return moment(job.due_at)

    @display(description="Took", ordering=F("finished_at") - F("started_at"))
    def took(self, job: Job) -> str:
        if job.finished_at is None:
            return f"{duration(clock.now() - job.started_at)} so far"
        return duration(job.finished_at - job.started_at)

    @display(description="Done", ordering="done")
    def progress(self, job: Job) -> SafeString:
        return progress(job)

    @display(description="State")
    def state_shown(self, job: Any) -> SafeString:
        """Return the state of a job: of a list it was asked for all of them at once."""
        is_of_list = hasattr(job, "has_findings")
        has_findings = job.has_findings if is_of_list else job.findings.exists()
        return job_state(job, has_findings=has_findings)


def progress(job: Job) -> SafeString:
    """Return how far a job is as a bar, and in words."""
    return format_html(
        '<span class="job-progress"><span class="bar bar-small"><i class="bar-good" style="width:{}%"></i>'
        '<i class="bar-bad" style="width:{}%"></i></span><span class="num">{} of {}</span></span>{}',
        _width(job.done, job.total),
        _width(job.failed, job.total),
        f"{job.done:,}",
        f"{job.total:,}",
        format_html('<p class="aside">{} failed</p>', f"{job.failed:,}") if job.failed else "",
    )


def job_state(job: Job, *, has_findings: bool) -> SafeString:
    """Return whether a job runs, and what went wrong in it, as labels."""
    labels = []
    if job.finished_at is None:
        labels.append(pill("running", "info"))
    if job.failed:
        labels.append(pill("with failures", "warn"))
    if has_findings:
        labels.append(pill("with findings", "bad"))
    labels = labels or [pill("finished", "good")]
    return format_html(" ".join(["{}"] * len(labels)), *labels)


def _parts(job: Job, *, now: datetime) -> dict[str, Any]:
    """Return what the page of a job shows below it."""
    return {
        "job": job,
        "leases": job.leases.order_by("id"),
        "failures": job.failures.select_related("organization").order_by("-id")[:ROWS],
        "failure_count": job.failures.count(),
        "findings": job.findings.select_related("organization").order_by("id")[:ROWS],
        "finding_count": job.findings.count(),
        "now": now,
    }
