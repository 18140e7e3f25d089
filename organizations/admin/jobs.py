"""The calendar's work as staff see it: which jobs run and how far they are, for whom they fail, and what the audits found."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from organizations import clock, jobs
from organizations.admin.columns import PublicIdSearch, ViewOnlyAdmin, link, pill
from organizations.models import Failure, Finding, Job

ROWS = 50
"""How many failures and findings the page of a job shows; the rest is in their own lists."""


def moment(at: datetime | None) -> str:
    """Return a moment as it stands in a column."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "–"


def duration(span: timedelta) -> str:
    """Return a span of time as people say it: `0.4 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def of_the_database(row: Failure | Finding) -> SafeString | str:
    """Return whose work it is as a link, where it is an organization's."""
    return link(row.organization) if row.organization else "the whole database"


def _width(part: int, whole: int) -> str:
    """Return how wide a part of a bar is, in percent. Whatever is there is seen."""
    return f"{min(100.0, part * 100 / whole):.1f}" if part and whole else "0"


class JobStateFilter(admin.SimpleListFilter):
    """Jobs that are under way, and those that went wrong somewhere."""

    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, Q]] = {
        "running": Q(finished_at__isnull=True),
        "finished": Q(finished_at__isnull=False),
        "failures": Q(failed__gt=0),
        "findings": Q(found__gt=0),
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

    list_display = (
        "kind",
        "state_shown",
        "progress",
        "started",
        "took",
        "due_by",
    )
    list_filter = ("kind", JobStateFilter, ("started_at", RangeDateTimeFilter))
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        rows: QuerySet[Job] = super().get_queryset(request)
        findings = Finding.objects.filter(job=OuterRef("pk")).order_by().values("job")
        return rows.annotate(
            found=Coalesce(Subquery(findings.annotate(count=Count("pk")).values("count")), 0)
        )

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

    @display(description="Started (UTC)", ordering="started_at")
    def started(self, job: Job) -> str:
        return moment(job.started_at)

    @display(description="Finished (UTC)", ordering="finished_at")
    def finished(self, job: Job) -> str:
        return moment(job.finished_at)

    @display(description="Due by (UTC)", ordering="due_at")
    def due_by(self, job: Job) -> str:
        return f"{job.due_at:%Y-%m-%d %H:%M}"

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
        return job_state(job, found=job.found)


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


def job_state(job: Job, *, found: int) -> SafeString:
    """Return whether a job runs, and what went wrong in it, as labels."""
    labels = []
    if job.finished_at is None:
        labels.append(pill("running", "info"))
    if job.failed:
        labels.append(pill("with failures", "warn"))
    if found:
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


class FailureStateFilter(admin.SimpleListFilter):
    """Failures that are still open, those among them that nobody tries again, and those that are over."""

    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, Q]] = {
        "open": Q(resolved_at__isnull=True),
        "waits": Q(resolved_at__isnull=True, next_try_at__isnull=True),
        "resolved": Q(resolved_at__isnull=False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("waits", "Waits for staff"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Failure]) -> QuerySet[Failure]:
        condition = self.conditions.get(self.value() or "")
        return queryset.filter(condition) if condition is not None else queryset


@admin.register(Failure)
class FailureAdmin(PublicIdSearch, ViewOnlyAdmin):
    """For whom work fails, and why. What waits for staff is tried again at the press of a button."""

    list_display = (
        "last_failed",
        "kind",
        "organization_link",
        "attempts",
        "error_line",
        "next_try",
    )
    list_display_links = ("last_failed", "kind")
    list_filter = (FailureStateFilter, "kind", ("job", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("organization",)
    ordering = ("-last_failed_at", "-id")
    search_fields = ("kind", "organization__name", "error")
    search_help_text = "Name of an organization, org_…, kind of work or words of the error"
    public_ids = {"org": "organization_id"}
    actions = ("try_again_selected",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("kind", "organization_link"),
                    ("attempts", "next_try"),
                    "error_text",
                    ("first_failed", "last"),
                    ("resolved", "job_link"),
                )
            },
        ),
    )
    change_form_outer_before_template = "admin/organizations/failure/buttons.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Failure]:
        rows: QuerySet[Failure] = super().get_queryset(request)
        return rows.select_related("organization", "job")

    def get_urls(self) -> list[URLPattern]:
        again = self.admin_site.admin_view(self.try_again_view)
        own = path("<int:failure_id>/try-again/", again, name="organizations_failure_try_again")
        return [own, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        if not self.has_try_again_permission(request):
            return shown
        return ["next_try_or_now" if name == "next_try" else name for name in shown]

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        """Nobody edits a failure, so the right to change one is the right to have it tried again."""
        return request.user.has_perm("organizations.change_failure")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        # Who had it tried again stands in its history.
        failure = self.get_object(request, object_id) if object_id else None
        may = failure is not None and _is_waiting(failure, clock.now())
        context = {
            "show_history": True,
            "may_try_again": may and self.has_try_again_permission(request),
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, context)

    def try_again_view(self, request: HttpRequest, failure_id: int) -> HttpResponse:
        """Answer the button of one failure."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_try_again_permission(request):
            raise PermissionDenied
        self._try_again(request, [get_object_or_404(Failure, pk=failure_id)])
        return redirect(_where_from(request) or "admin:organizations_failure_changelist")

    @admin.action(description="Try again", permissions=["try_again"])
    def try_again_selected(self, request: HttpRequest, queryset: QuerySet[Failure]) -> None:
        """Answer the action of the list."""
        self._try_again(request, queryset.order_by("pk"))

    @transaction.atomic
    def _try_again(self, request: HttpRequest, failures: Iterable[Failure]) -> None:
        asked = done = 0
        for failure in failures:
            asked += 1
            if jobs.try_again(failure, now=clock.now()):
                done += 1
                self.log_change(request, failure, "Try again with the next run.")
        if done:
            text = "1 failure" if done == 1 else f"{done:,} failures"
            messages.success(request, f"{text} will be tried again with the next run.")
        if done < asked:
            text = "1 was" if asked - done == 1 else f"{asked - done:,} were"
            messages.info(
                request, f"{text} left as is: resolved, or tried with the next run anyway."
            )

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, failure: Failure) -> SafeString | str:
        return of_the_database(failure)

    @display(description="Error")
    def error_line(self, failure: Failure) -> SafeString:
        line = failure.error.strip().partition("\n")[0]
        return format_html('<span class="clip error-line" title="{}">{}</span>', line, line)

    @display(description="Error")
    def error_text(self, failure: Failure) -> SafeString:
        return format_html('<pre class="mono error-text">{}</pre>', failure.error)

    @display(description="First failed (UTC)", ordering="first_failed_at")
    def first_failed(self, failure: Failure) -> str:
        return moment(failure.first_failed_at)

    @display(description="Failed (UTC)", ordering="last_failed_at")
    def last_failed(self, failure: Failure) -> SafeString | str:
        last, first = moment(failure.last_failed_at), moment(failure.first_failed_at)
        if first == last:
            return last
        return format_html('{}<p class="aside">since {}</p>', last, first)

    @display(description="Last failed (UTC)")
    def last(self, failure: Failure) -> str:
        return moment(failure.last_failed_at)

    @display(description="Resolved (UTC)", ordering="resolved_at")
    def resolved(self, failure: Failure) -> str:
        return moment(failure.resolved_at)

    @display(description="Next try (UTC)", ordering="next_try_at")
    def next_try(self, failure: Failure) -> SafeString | str:
        return next_try(failure, now=clock.now())

    @display(description="Next try (UTC)", ordering="next_try_at")
    def next_try_or_now(self, failure: Failure) -> SafeString | str:
        now = clock.now()
        if not _is_waiting(failure, now):
            return next_try(failure, now=now)
        return format_html(
            '<span class="next-try">{} <button type="submit" class="btn btn-small" formaction="{}">Try again</button></span>',
            next_try(failure, now=now),
            reverse("admin:organizations_failure_try_again", args=[failure.pk]),
        )

    @display(description="Last in job")
    def job_link(self, failure: Failure) -> SafeString | str:
        return link(failure.job) if failure.job else "–"


def _where_from(request: HttpRequest) -> str | None:
    """Return the page of ours on which a button was pressed, with the filters that were set there."""
    page = request.headers.get("referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return page if is_ours else None


def _is_waiting(failure: Failure, now: datetime) -> bool:
    """Say whether trying again with the next run would change anything."""
    waits = failure.next_try_at is None or failure.next_try_at > now
    return failure.resolved_at is None and waits


def next_try(failure: Failure, *, now: datetime) -> SafeString | str:
    """Return when failed work is tried again, if anybody does."""
    if failure.resolved_at:
        return pill("resolved", "good")
    if failure.next_try_at is None:
        return pill("waits for staff", "bad")
    # It is a few minutes away at most.
    at = f"at {failure.next_try_at:%H:%M:%S}"
    return at if _is_waiting(failure, now) else pill("next run", "info")


@admin.register(Finding)
class FindingAdmin(PublicIdSearch, ViewOnlyAdmin):
    """What the audits found to be wrong."""

    list_display = ("found_at", "check_name", "subject_shown", "organization_link", "detail_line")
    list_filter = (("job", AutocompleteSelectFilter), "check_name")
    list_filter_submit = True
    list_select_related = ("organization", "job")
    ordering = ("-id",)
    search_fields = ("check_name", "subject", "organization__name")
    search_help_text = "Check, subject, name of an organization or org_…"
    public_ids = {"org": "organization_id"}
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("check_name", "organization_link"),
                    "subject_shown",
                    "detail_text",
                    ("found_at", "job_link"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Finding]:
        rows: QuerySet[Finding] = super().get_queryset(request)
        return rows.select_related("organization", "job")

    @display(description="Job of (UTC)", ordering="job__started_at")
    def found_at(self, finding: Finding) -> str:
        return moment(finding.job.started_at)

    @display(description="Subject", ordering="subject")
    def subject_shown(self, finding: Finding) -> SafeString:
        return format_html('<span class="mono">{}</span>', finding.subject)

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, finding: Finding) -> SafeString | str:
        return link(finding.organization) if finding.organization else "–"

    @display(description="Detail")
    def detail_line(self, finding: Finding) -> SafeString:
        line = finding.detail.strip().partition("\n")[0]
        return format_html('<span class="clip error-line" title="{}">{}</span>', line, line)

    @display(description="Detail")
    def detail_text(self, finding: Finding) -> SafeString:
        return format_html('<pre class="mono error-text">{}</pre>', finding.detail)

    @display(description="Job")
    def job_link(self, finding: Finding) -> SafeString:
        return link(finding.job)
