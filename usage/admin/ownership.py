"""Rows of one organization, edited. Whose a new one will be is asked first: its form offers only what that organization has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.edits import EditedAdmin
from credits.services import ForeignProfile
from organizations.admin import link
from organizations.admin.actions import Again
from organizations.admin.forms import ForgivingSelect, as_id
from organizations.models import Env, Organization, UsageProfile
from organizations.services import OrganizationArchived
from organizations.visible import INEXACT, is_exact
from usage.admin.again import month_again
from usage.services.profiles import profiles_for

Status = Organization.Status


class ChooseForm(forms.Form):
    """Whose the new row will be."""

    organization = forms.ModelChoiceField(
        queryset=Organization.objects.exclude(status=Status.ARCHIVED)
    )


class OwnedForm(forms.ModelForm):
    """A row of one organization: of the one it has, or of the one that was chosen for it."""

    organization: ClassVar[Organization | None] = None
    exact: ClassVar[str] = ""
    """The field whose text people match by: nothing new in it may look like another, and nothing in it is rewritten."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get(self.exact)
        if isinstance(field, forms.CharField):
            field.strip = False
        if self.organization is not None and self.instance._state.adding:
            self.instance.organization = self.organization

    def offer_own_profiles(self, empty_label: str) -> None:
        """Offer the profiles that the organization may give: the system's and its own."""
        field = self.fields["profile"]
        if isinstance(field, forms.ModelChoiceField):
            field.empty_label = empty_label
            field.queryset = (
                profiles_for(self.organization)
                if self.organization
                else UsageProfile.objects.none()
            )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        is_new = self.exact in self.changed_data
        if is_new and not is_exact(cleaned.get(self.exact) or ""):
            self.add_error(self.exact, INEXACT)
        return cleaned

    def refuse_if_taken(self, field: str, message: str, **same: Any) -> None:
        """Say beside a field that another row of the organization has what only one may have."""
        rows = type(self.instance)._default_manager.filter(organization=self.organization, **same)
        if rows.exclude(pk=self.instance.pk).exists():
            self.add_error(field, message)


class OwnedAdmin(EditedAdmin):
    """A model whose rows are organizations' own."""

    form = OwnedForm
    choose_form: type[ChooseForm] = ChooseForm
    refusals: tuple[type[Exception], ...] = (OrganizationArchived, ForeignProfile)
    decides: ClassVar[bool] = False
    """Whether these rows decide about work: then a change says what would have come of that of the running month."""
    list_filter: ClassVar[Sequence[Any]] = (("organization", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_select_related: ClassVar[Sequence[str]] = ("organization",)
    ordering: Sequence[str] = ("-id",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_archived(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_archived(obj) and super().has_delete_permission(request, obj)

    def again(self, row: Any, *, now: datetime) -> Again:
        if not self.decides or row.organization is None:
            return super().again(row, now=now)
        return month_again(row.organization, now=now)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if self.chosen(request) is None:
            return self._ask(request)
        view: HttpResponseBase = super().add_view(request, form_url, extra_context)
        return view

    def chosen(self, request: HttpRequest) -> dict[str, Any] | None:
        """Return what was chosen for the new row, once all of it is."""
        form = self.choose_form(request.GET)
        return form.cleaned_data if form.is_valid() else None

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        chosen = self.chosen(request) if obj is None else None
        form.organization = obj.organization if obj else chosen and chosen["organization"]
        return form

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> Any:
        """Search; for a field of a form that is one organization's, only among what it has."""
        owner = request.GET.get("organization")
        if request.path.endswith("/autocomplete/"):
            if owner is not None:
                queryset = queryset.filter(organization=as_id(owner)).order_by("name")
            elif self.named_by(search_term) is None:
                queryset = queryset.exclude(organization__env=Env.TEST)
        return super().get_search_results(request, queryset, search_term)

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, row: Any) -> SafeString | str:
        return link(row.organization) if row.organization else "–"

    def _ask(self, request: HttpRequest) -> TemplateResponse:
        named = self.choose_form.base_fields.keys() <= request.GET.keys()
        form = self.choose_form(request.GET if named else None, initial=request.GET.dict())
        for_organization = form.fields["organization"]
        for_organization.widget = ForgivingSelect(
            self.model._meta.get_field("organization"), self.admin_site
        )
        if isinstance(for_organization, forms.ModelChoiceField):
            for_organization.widget.choices = for_organization.choices
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": f"New {self.opts.verbose_name}",
            "for_everybody": self.may_be_everybodys(request),
        }
        return TemplateResponse(request, "admin/choose_organization.html", context)

    def may_be_everybodys(self, request: HttpRequest) -> bool:
        """Whether somebody may make a row that is nobody's own."""
        return False


def _is_archived(row: Model | None) -> bool:
    owner: Organization | None = getattr(row, "organization", None)
    return owner is not None and owner.status == Status.ARCHIVED
