"""Thresholds and limits as staff see them: the numbers that change an organization's work, or that nobody crosses."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget

from credits.admin.columns import amount, capped
from credits.admin.rules import proposal_page
from organizations.admin import link, pill
from organizations.admin.actions import Figure
from organizations.admin.change_lists import KeysetList, sortable
from organizations.admin.forms import own_row
from usage.admin.limit_actions import without_limit
from usage.admin.ownership import ChooseForm, OwnedAdmin, OwnedForm
from usage.admin.today import limits_today, thresholds_today
from usage.models import Limit, Thresholds
from usage.services import controls, subjects

Scope = Limit.Scope

SCOPES = {
    Scope.ACTOR: "One actor",
    Scope.GROUP: "One group: of a team each member, of an entity group all together",
    Scope.RESOURCE: "One app or dataset, whoever uses it",
    Scope.ACTOR_DEFAULT: "Each actor without a limit, a profile or a team",
    Scope.TEAM_DEFAULT: "Each member of a team that has neither limit nor profile",
    Scope.ENTITY_DEFAULT: "Each entity group without a limit",
}
SUBJECTS: dict[str, tuple[str, ...]] = {
    Scope.ACTOR: ("actor",),
    Scope.GROUP: ("group",),
    Scope.RESOURCE: ("resource_type", "resource_id"),
}
"""The fields that say whose a limit is; a default has none."""
NOTES = ("slug", "owner_id")
RESOURCE_TYPES = [("app", "app"), ("dataset", "dataset")]


class ThresholdsForm(OwnedForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        downgrade, shutoff = cleaned.get("downgrade"), cleaned.get("shutoff")
        if downgrade is not None and shutoff is not None and downgrade > shutoff:
            self.add_error("downgrade", "It may not be above the shutoff.")
        if self.instance._state.adding and not self.errors and downgrade is shutoff is None:
            self.add_error("downgrade", "Set at least one of the two.")
        return cleaned


@admin.register(Thresholds)
class ThresholdsAdmin(OwnedAdmin):
    """From where on an organization's work is downgraded, and from where on nothing is admitted."""

    form = ThresholdsForm
    nothing = (
        "No thresholds. No work is moved to cheaper models, or stopped, by what a month costs."
    )
    list_display = ("name", "downgrade_shown", "shutoff_shown")
    ordering = ("-organization_id",)
    search_fields = ("organization__name",)
    search_help_text = "Name of an organization, or org_…"
    public_ids = {"org": "organization_id"}
    refusals = (*OwnedAdmin.refusals, controls.DowngradeAboveShutoff)
    decides = True
    help_texts = {
        "downgrade": "Against what is settled in the calendar month. From here on the provider's fallback does the work, "
        "where it is cheaper. Empty: never.",
        "shutoff": "From here on nothing is admitted, until the month ends. Empty: never.",
    }
    empty_means = {"downgrade": "never", "shutoff": "never"}
    zero_means = {"downgrade": "0: all work", "shutoff": "0: nothing is admitted"}
    fields = ("organization_link", "downgrade", "shutoff")
    readonly_fields = ("organization_link",)

    def impact(self, row: Thresholds, *, now: datetime) -> list[Figure]:
        return thresholds_today(row.organization, now=now)

    def heading(self, thresholds: Thresholds) -> str:
        return f"Thresholds of {thresholds.organization}"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        chosen = self.chosen(request)
        owner = chosen["organization"] if chosen else None
        if owner is not None and Thresholds.objects.filter(organization=owner).exists():
            return redirect("admin:usage_thresholds_change", owner.pk)
        return super().add_view(request, form_url, extra_context)

    def store(
        self, row: Thresholds, changes: dict[str, Any], *, is_new: bool, author: str, now: datetime
    ) -> None:
        controls.update_controls(
            organization=row.organization, changes=changes, performed_by=author, now=now
        )

    @display(description="Organization", ordering="organization__name")
    def name(self, thresholds: Thresholds) -> str:
        return thresholds.organization.name

    @display(description="Downgrade from", ordering="downgrade")
    def downgrade_shown(self, thresholds: Thresholds) -> SafeString | str:
        return amount(thresholds.downgrade)

    @display(description="Shutoff at", ordering="shutoff")
    def shutoff_shown(self, thresholds: Thresholds) -> SafeString | str:
        return amount(thresholds.shutoff)


class ChooseScopeForm(ChooseForm):
    """Whose limit, and of what."""

    scope = forms.ChoiceField(choices=list(SCOPES.items()), widget=UnfoldAdminRadioSelectWidget)


class LimitForm(OwnedForm):
    """A limit whose scope is known: its form has the fields of that scope, and needs them."""

    exact = "resource_id"

    scope: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding or self.organization is None:
            return
        self.instance.scope = self.scope
        for name in set(SUBJECTS.get(self.scope, ())) & {"actor", "group"}:
            self.fields[name] = own_row(Limit._meta.get_field(name), self.organization)
        if "resource_type" in self.fields:
            self.fields["resource_type"] = forms.ChoiceField(
                choices=RESOURCE_TYPES, widget=UnfoldAdminSelectWidget
            )
            self.fields["resource_id"].required = True

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        names = SUBJECTS.get(self.instance.scope, ())
        if self.instance._state.adding and not self.errors:
            subject = {name: cleaned[name] for name in names}
            field = names[-1] if names else "cap"
            self.refuse_if_taken(
                field, "There is a limit already: change that one.", scope=self.scope, **subject
            )
        return cleaned


@admin.register(Limit)
class LimitAdmin(OwnedAdmin):
    """Caps per calendar month. Which fields a new one has depends on its scope, which is asked with the organization."""

    form = LimitForm
    choose_form = ChooseScopeForm
    nothing = "No limits. What people may spend is bounded by their organizations alone."
    list_display = ("whose", "scope_shown", "organization_link", "cap_shown", "updated_at")
    list_filter = ("scope", ("organization", AutocompleteSelectFilter))
    list_select_related: ClassVar[Sequence[str]] = ("organization", "actor", "group")
    search_fields = (
        "organization__name",
        "actor__name",
        "group__name",
        "group__key",
        "resource_id",
    )
    search_by_names = ("organization", "actor", "group")
    search_exactly = ("resource_id",)
    search_help_text = (
        "Name of an organization, actor or group, id of an app or dataset; org_…, act_… or grp_…"
    )
    public_ids = {"org": "organization_id", "act": "actor_id", "grp": "group_id", "": "id"}
    refusals = (*OwnedAdmin.refusals, subjects.UnknownSubject)
    decides = True
    deletable = True
    help_texts = {
        "cap": "Per calendar month. Empty: no limit. 0: nothing. To fall back to the default, delete the limit.",
        "resource_id": "What the product calls the app or dataset: entityId in a request.",
        "slug": "A name that reports show beside it.",
        "owner_id": "Whom reports name as its owner.",
    }
    raises = {"cap": "set-limit"}
    empty_means = {"cap": "no limit"}
    zero_means = {"cap": "0: nothing may be spent"}
    readonly_fields = ("organization_link", "scope_shown", "subject")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetList]:
        return KeysetList

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return sortable(self, self.get_list_display(request))

    def without(self, row: Limit) -> Decimal | None:
        return without_limit(row)

    def proposing(self, row: Limit, slug: str, value: Decimal | None) -> str:
        return proposal_page(row.organization, slug, whose=name_of(row), cap=value)

    def impact(self, row: Limit, *, now: datetime) -> list[Figure]:
        return limits_today(row.organization, now=now)

    def heading(self, limit: Limit) -> str:
        return f"{limit.organization}: {whose(limit)}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Limit]:
        rows: QuerySet[Limit] = super().get_queryset(request)
        return rows.select_related("organization", "actor", "group")

    def get_fields(self, request: HttpRequest, obj: Limit | None = None) -> Any:
        chosen = self.chosen(request) if obj is None else None
        scope = obj.scope if obj else chosen["scope"] if chosen else ""
        notes = [NOTES] if scope == Scope.RESOURCE else []
        if obj is not None:
            return ["organization_link", "scope_shown", "subject", "cap", *notes]
        named = SUBJECTS.get(scope, ())
        return ["organization_link", "scope_shown", *named, "cap", *notes]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        chosen = self.chosen(request) if obj is None else None
        form.scope = obj.scope if obj else chosen["scope"] if chosen else ""
        return form

    def store(
        self, row: Limit, changes: dict[str, Any], *, is_new: bool, author: str, now: datetime
    ) -> None:
        if is_new:
            controls.save_limit(limit=row, performed_by=author, now=now)
            return
        current = Limit.objects.select_related("organization", "actor", "group").get(pk=row.pk)
        for name, value in changes.items():
            setattr(current, name, value)
        controls.save_limit(limit=current, changed=list(changes), performed_by=author, now=now)

    def remove(self, row: Limit, *, author: str, now: datetime) -> None:
        controls.remove_limit(limit=row, performed_by=author, now=now)

    @display(description="Of", ordering="scope")
    def whose(self, limit: Limit) -> str:
        return whose(limit)

    @display(description="Of")
    def subject(self, limit: Limit) -> SafeString | str:
        subject = limit.actor or limit.group
        return link(subject) if subject else whose(limit)

    @display(description="Scope", ordering="scope")
    def scope_shown(self, limit: Limit) -> SafeString:
        is_default = limit.scope not in SUBJECTS
        text = limit.group.kind if limit.group else limit.scope.replace("_", " ")
        return pill(text, "quiet" if is_default else "info")

    @display(description="Cap", ordering="cap")
    def cap_shown(self, limit: Limit) -> SafeString | str:
        return capped(limit.cap)


def name_of(limit: Limit) -> str:
    """Return whose a limit is, as the action that sets it is told."""
    if limit.resource_type:
        return f"{limit.resource_type}/{limit.resource_id}"
    subject = limit.actor or limit.group
    return subject.public_id if subject else limit.scope


def whose(limit: Limit) -> str:
    """Return whom or what a limit is for, in words."""
    if limit.resource_type:
        return f"{limit.resource_type} {limit.slug or limit.resource_id}"
    subject = limit.actor or limit.group
    return str(subject) if subject else SCOPES[Scope(limit.scope)].lower()
