"""Creating an organization in the admin: a form, and one service call that happens once.

The form carries the id of the organization that it will make. Sent twice, it finds the organization that is there.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import ADDITION
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views import View
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from credits import services
from credits.admin.forms import CreditsField
from credits.models import ZERO, CreditConfig
from credits.templatetags.amounts import credits
from organizations import clock
from organizations.admin.actions import ExternalIdField, log, sentence, staff, visible
from organizations.external_ids import ExternalIdTaken
from organizations.idempotency import again
from organizations.ids import new_id
from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended

PERMISSION = "organizations.add_organization"


class CreateForm(forms.Form):
    """An organization and the terms it begins with; the other terms are on its credit config."""

    once = forms.UUIDField(widget=forms.HiddenInput)
    parent = forms.ModelChoiceField(
        queryset=Organization.objects.filter(parent__isnull=True),
        required=False,
        widget=forms.HiddenInput,
    )
    name = forms.CharField(max_length=128, widget=UnfoldAdminTextInputWidget, validators=[visible])
    billing_email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget)
    external_id = ExternalIdField()
    allowance = CreditsField(
        min_value=ZERO,
        initial=ZERO,
        help_text="Credits included in each term; the first begins at once. 0: none.",
    )
    first_term_full = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        label="Whole allowance in the first term",
        help_text="Otherwise the first term brings the part of its days: from today, today included, to its end.",
    )
    term = forms.ChoiceField(choices=CreditConfig.Term.choices, widget=UnfoldAdminSelectWidget)
    anchored_on = forms.DateField(
        widget=UnfoldAdminSingleDateWidget,
        help_text="Periods begin on this day of the month; years on this date.",
    )
    monthly_cap = CreditsField(
        min_value=ZERO, required=False, help_text="Empty: no cap. 0: nothing may be spent."
    )

    class Media:
        # What the theme's field of one day runs on, and does not bring.
        js = ("admin/js/core.js", "admin/js/calendar.js", "admin/js/admin/DateTimeShortcuts.js")

    def clean_allowance(self) -> Decimal:
        """A new organization gets its first allowance at once, from one person."""
        allowance: Decimal = self.cleaned_data["allowance"]
        limit = settings.SECOND_PERSON_ABOVE
        if limit is not None and allowance > limit:
            raise forms.ValidationError(
                f"At most {credits(limit)}: more needs a second person. Begin with less."
            )
        return allowance

    def clean_once(self) -> Any:
        """The id sorts by its age, like every other."""
        once = self.cleaned_data["once"]
        if once.version != 7:
            raise forms.ValidationError("Open the form again.")
        return once


class CreateView(View):
    """The form of a new organization; `?parent=` makes it a child."""

    model_admin: ModelAdmin | None = None
    title = "New organization"
    icon = "add_business"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        self.now = clock.now()
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        initial = {
            "once": new_id(),
            "parent": request.GET.get("parent"),
            "anchored_on": self.now.date().replace(day=1),
        }
        return self._ask(CreateForm(initial=initial))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = CreateForm(request.POST)
        if not form.is_valid():
            return self._ask(form)
        made = Organization.objects.filter(id=form.cleaned_data["once"]).first()
        if made is not None:
            return self._show(made)
        try:
            return self._show(again(lambda: self._create(form.cleaned_data)))
        except IntegrityError:
            return self._show(Organization.objects.get(id=form.cleaned_data["once"]))
        except (services.NotARoot, OrganizationSuspended, OrganizationArchived) as refusal:
            form.add_error(None, sentence(refusal))
        except ExternalIdTaken as refusal:
            form.add_error("external_id", sentence(refusal))
        return self._ask(form)

    @transaction.atomic(durable=True)
    def _create(self, data: dict[str, Any]) -> Organization:
        organization = services.create_organization(
            id=data["once"],
            parent=data["parent"],
            name=data["name"],
            billing_email=data["billing_email"] or None,
            external_id=data["external_id"],
            anchored_on=data["anchored_on"],
            allowance=data["allowance"],
            first_term_full=data["first_term_full"],
            term=data["term"],
            monthly_cap=data["monthly_cap"],
            performed_by=staff(self.request.user),
            now=self.now,
        )
        log(self.request.user, organization, ADDITION, "Created.")
        return organization

    def _show(self, organization: Organization) -> HttpResponse:
        messages.success(self.request, f"{organization.name} is created.")
        return redirect("admin:organizations_organization_change", organization.id)

    def _ask(self, form: CreateForm) -> HttpResponse:
        if self.model_admin is None:
            raise TypeError("this is a page of a model's admin")
        parent = _parent(form["parent"].value())
        context = {
            **self.model_admin.admin_site.each_context(self.request),
            "opts": self.model_admin.opts,
            "form": form,
            "parent": parent,
            "title": f"New child of {parent}" if parent else self.title,
        }
        return TemplateResponse(
            self.request, "admin/organizations/organization/create.html", context
        )


def _parent(id: Any) -> Organization | None:
    """Return the organization that a form names as its parent, if there is one of that id."""
    try:
        return Organization.objects.filter(id=UUID(str(id))).first()
    except ValueError:
        return None
