"""The findings as staff see them: what the audits found to be wrong."""

from collections.abc import Callable

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from organizations.admin.cells import first_line, link, moment, verbatim
from organizations.admin.columns import PublicIdSearch, ViewOnlyAdmin
from organizations.models import Finding

PAGES: dict[str, Callable[[str], str]] = {}
"""Of some checks: the page of what a finding is about, by its subject. Whoever runs a check names it here."""


@admin.register(Finding)
class FindingAdmin(PublicIdSearch, ViewOnlyAdmin):
    """What the audits found to be wrong."""

    nothing = "No findings. The books fit together, and so do the prices."
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

    @display(description="Job of", ordering="job__started_at")
    def found_at(self, finding: Finding) -> SafeString | str:
        return moment(finding.job.started_at)

    @display(description="Subject", ordering="subject")
    def subject_shown(self, finding: Finding) -> SafeString:
        page = PAGES.get(finding.check_name)
        if page is not None:
            return format_html(
                '<a class="text-link mono" href="{}">{}</a>', page(finding.subject), finding.subject
            )
        return format_html('<span class="mono">{}</span>', finding.subject)

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, finding: Finding) -> SafeString | str:
        return link(finding.organization) if finding.organization else "–"

    @display(description="Detail")
    def detail_line(self, finding: Finding) -> SafeString:
        return first_line(finding.detail)

    @display(description="Detail")
    def detail_text(self, finding: Finding) -> SafeString:
        return verbatim(finding.detail)

    @display(description="Job")
    def job_link(self, finding: Finding) -> SafeString:
        return link(finding.job)
