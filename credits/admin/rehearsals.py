"""Renewals ahead: what they would do, kept and added up, as a table and as CSV; and then done."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from credits.models import Rehearsal, RehearsedRenewal
from credits.services import rehearsing
from organizations import clock, ids, sheet
from organizations.admin import ViewOnlyAdmin
from organizations.admin.actions import sentence, staff, visible
from organizations.models import Env, Organization

ROWS = 200
"""How many organizations the page lists; the file has all of them."""
COLUMNS = (
    "organization_id",
    "name",
    "periods",
    "balance_before",
    "lapsed",
    "rolled_over",
    "granted",
    "seats",
    "balance_after",
    "stub",
    "ran_at",
    "balance_then",
)


class RehearsalForm(forms.Form):
    """Which renewals: those that are due by a moment, of everybody or of one organization and its children."""

    until = forms.SplitDateTimeField(
        label="Due by",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="In UTC. Now, or a moment that is to come.",
    )
    root = forms.CharField(
        label="Only of",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="org_…: this organization and its children. Empty: everybody.",
    )
    reason = forms.CharField(
        max_length=300, widget=UnfoldAdminTextInputWidget, validators=[visible]
    )

    def clean_root(self) -> Organization | None:
        text = self.cleaned_data["root"].strip()
        if not text:
            return None
        try:
            named = ids.read("org", text)
        except ids.MalformedId as error:
            raise forms.ValidationError(str(error)) from error
        found = Organization.objects.filter(pk=named, env=Env.LIVE).first()
        if found is None:
            raise forms.ValidationError("There is no such organization.")
        return found


@admin.register(Rehearsal)
class RehearsalAdmin(ViewOnlyAdmin):
    """Rehearsals of renewals, newest first. A worker looks at each organization; nothing moves until somebody runs it."""

    nothing = "Nobody looked ahead yet at what renewals would do."
    list_display = ("due_by", "total", "made_by", "made_at", "reason", "run")
    ordering = ("-id",)
    search_fields = ("reason", "performed_by")
    search_help_text = "A word of the reason, or who made it"

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("credits.add_rehearsal")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<uuid:id>/csv/", view(self.download), name="credits_rehearsal_csv"),
            path("<uuid:id>/run/", view(self.run_it), name="credits_rehearsal_run"),
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        if not self.has_add_permission(request):
            raise PermissionDenied
        now = clock.now()
        form = RehearsalForm(request.POST or None, initial={"until": now})
        if request.method == "POST" and form.is_valid():
            try:
                made = rehearsing.begin_rehearsal(
                    performed_by=staff(request.user), now=now, **form.cleaned_data
                )
            except rehearsing.InvalidMoment as error:
                form.add_error("until", sentence(error))
            else:
                return redirect("admin:credits_rehearsal_change", made.pk)
        return self._page(
            request, "form.html", None, form=form, title="What renewals would do", form_url=form_url
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        rehearsal = self.get_object(request, object_id)
        if rehearsal is None:
            raise Http404
        if request.method != "GET" or not self.has_view_permission(request, rehearsal):
            raise PermissionDenied
        totals = rehearsing.totals_of(rehearsal)
        is_whole = totals.rehearsed == rehearsal.total
        may_run = request.user.has_perm("credits.run_rehearsal") and rehearsal.run_at is None
        return self._page(
            request,
            "page.html",
            rehearsal,
            title=str(rehearsal),
            totals=totals,
            rows=rows_of(rehearsal)[:ROWS],
            is_busy=not is_whole or (rehearsal.run_at is not None and totals.ran < rehearsal.total),
            is_whole=is_whole,
            may_run=may_run and is_whole and rehearsal.until <= clock.now(),
            more=max(0, rehearsal.total - ROWS),
        )

    def run_it(self, request: HttpRequest, id: UUID) -> HttpResponse:
        rehearsal = self.get_object(request, str(id))
        if rehearsal is None:
            raise Http404
        if not request.user.has_perm("credits.run_rehearsal"):
            raise PermissionDenied
        if request.method == "POST":
            try:
                rehearsing.run_rehearsal(
                    rehearsal=rehearsal, performed_by=staff(request.user), now=clock.now()
                )
                messages.success(request, "The renewals are done now, one after the other.")
            except rehearsing.NotRunnable as error:
                messages.error(request, sentence(error))
        return redirect("admin:credits_rehearsal_change", id)

    def download(self, request: HttpRequest, id: UUID) -> StreamingHttpResponse:
        rehearsal = self.get_object(request, str(id))
        if rehearsal is None:
            raise Http404
        if not self.has_view_permission(request, rehearsal):
            raise PermissionDenied
        answer = StreamingHttpResponse(
            sheet.file(_table(rehearsal)), content_type="text/csv; charset=utf-8"
        )
        name = f"renewals-{rehearsal.until:%Y-%m-%d}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _page(
        self, request: HttpRequest, template: str, rehearsal: Rehearsal | None, **context: Any
    ) -> TemplateResponse:
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": rehearsal,
            "back": reverse("admin:credits_rehearsal_changelist"),
        }
        return TemplateResponse(request, f"admin/credits/rehearsal/{template}", context)

    @display(description="Due by (UTC)", ordering="until")
    def due_by(self, rehearsal: Rehearsal) -> str:
        return f"{rehearsal.until:%Y-%m-%d %H:%M}"

    @display(description="By", ordering="performed_by")
    def made_by(self, rehearsal: Rehearsal) -> str:
        return rehearsal.performed_by

    @display(description="Made (UTC)", ordering="id")
    def made_at(self, rehearsal: Rehearsal) -> str:
        return f"{rehearsal.created_at:%Y-%m-%d %H:%M}"

    @display(description="Run")
    def run(self, rehearsal: Rehearsal) -> str:
        if rehearsal.run_at is None:
            return "–"
        return f"{rehearsal.run_at:%Y-%m-%d %H:%M} by {rehearsal.run_by}"


def rows_of(rehearsal: Rehearsal) -> Any:
    """Return what the renewal of each organization would do, who owes most then first."""
    rows = RehearsedRenewal.objects.filter(rehearsal_id=rehearsal.pk)
    return rows.select_related("organization").order_by("balance_after", "id")


def _table(rehearsal: Rehearsal) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    for each in rows_of(rehearsal).iterator(500):
        values = (getattr(each, name) for name in COLUMNS[2:])
        yield (each.organization.public_id, each.organization.name, *values)
