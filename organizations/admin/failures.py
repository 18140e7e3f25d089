"""The failures as staff see them: for whom the calendar's work fails, why, and when it is tried again."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from organizations import clock, jobs
from organizations.admin.cells import first_line, link, moment, of_the_database, pill, verbatim
from organizations.admin.columns import PublicIdSearch, ViewOnlyAdmin
from organizations.models import Failure


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

    nothing = "No failures. All work of the calendar was done."
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
        return first_line(failure.error)

    @display(description="Error")
    def error_text(self, failure: Failure) -> SafeString:
        return verbatim(failure.error)

    @display(description="First failed", ordering="first_failed_at")
    def first_failed(self, failure: Failure) -> SafeString | str:
        return moment(failure.first_failed_at)

    @display(description="Failed", ordering="last_failed_at")
    def last_failed(self, failure: Failure) -> SafeString | str:
        last, first = moment(failure.last_failed_at), moment(failure.first_failed_at)
        if first == last:
            return last
        return format_html('{}<p class="aside">since {}</p>', last, first)

    @display(description="Last failed")
    def last(self, failure: Failure) -> SafeString | str:
        return moment(failure.last_failed_at)

    @display(description="Resolved", ordering="resolved_at")
    def resolved(self, failure: Failure) -> SafeString | str:
        return moment(failure.resolved_at)

    @display(description="Next try", ordering="next_try_at")
    def next_try(self, failure: Failure) -> SafeString | str:
        return next_try(failure, now=clock.now())

    @display(description="Next try", ordering="next_try_at")
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
