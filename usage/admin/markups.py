"""Markups as staff see them: by what prices are multiplied, for everybody or for one customer."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import DecimalField
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.edits import EditedAdmin
from credits.admin.forms import CreditsField
from credits.admin.rules import Change
from organizations import clock
from organizations.admin.actions import Figure
from organizations.admin.windows import WindowFilter
from usage.admin import markup_proposals
from usage.admin.ownership import OwnedAdmin, OwnedForm
from usage.models import MAX_FACTOR, CustomerPrice, Markup, MarkupRule

FREE = "A markup is above 0, and at most 1000. What is free has a rate of 0."
BEGINS = "In UTC. It holds for work that is reserved, or told to have been done, from then on, until a later one of the same scope."


class FactorField(CreditsField):
    """By what prices are multiplied: 1.25 is a quarter more."""

    plain = re.compile(r"[+-]?[0-9]+(\.[0-9]{1,6})?")
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "A number like 1.25 or 0.8 is expected."
    }


class ScopeForm(forms.ModelForm):
    """What the forms of markups share."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        factor = cleaned.get("factor")
        if factor is not None and not 0 < factor <= MAX_FACTOR:
            self.add_error("factor", FREE)
        if cleaned.get("provider") and cleaned.get("model"):
            self.add_error("provider", "A provider or a model, not both.")
        return cleaned


class CustomerForm(ScopeForm, OwnedForm):
    """A markup of one organization."""


class Factors:
    """What the pages of markups share."""

    formfield_overrides: ClassVar[dict[Any, Any]] = {
        DecimalField: {"form_class": FactorField, "widget": FactorField.widget}
    }
    list_filter_submit = True
    autocomplete_fields = ("model",)
    empty_means: ClassVar[Mapping[str, str]] = {
        "provider": "of any",
        "model": "all models",
    }
    help_texts: ClassVar[Mapping[str, str]] = {
        "provider": "All models of this provider that have no markup of their own. Empty, without a model: all models.",
        "model": "This model only.",
        "starts_at": BEGINS,
        "factor": "1.25 is a quarter above the rate card, 0.8 a fifth below; 1 ends what was before.",
    }
    deletable = True

    def needs_another(self, request: HttpRequest, change: Change) -> str:
        """Say how far prices leap, where that is not for one person alone."""
        if change.form is not None and "factor" not in change.form.cleaned_data:
            return ""
        percent = markup_proposals.leap_of(
            change.row,
            is_deleted=change.form is None,
            author=markup_proposals.author_of(request),
            now=clock.now(),
        )
        return markup_proposals.words_of(percent)

    def propose(self, request: HttpRequest, change: Change, reason: str) -> HttpResponse:
        effect = self.needs_another(request, change)
        return markup_proposals.propose(request, change, reason, effect)

    @display(description="Of")
    def scope_shown(self, rule: MarkupRule) -> str:
        return rule.scope

    @display(description="Markup", ordering="factor")
    def factor_shown(self, rule: MarkupRule) -> str:
        return f"× {rule.factor.normalize():f}"


@admin.register(Markup)
class MarkupAdmin(Factors, EditedAdmin):
    """Markups for everybody: the one of a model before that of its provider, and that before the one of all models."""

    form = ScopeForm
    nothing = "No markups. Everybody pays what the rate card says."
    list_display = ("scope_shown", "starts_at", "factor_shown")
    list_filter = ("provider", ("model", AutocompleteSelectFilter), ("starts_at", WindowFilter))
    ordering = ("provider", "model", "-starts_at")
    search_fields = ("provider", "model__slug")
    search_help_text = "Provider, or id of a model"
    fields = (("provider", "model"), ("starts_at", "factor"))

    def impact(self, row: Markup, *, now: datetime) -> list[Figure]:
        return [Figure("All customers without a price of their own", "Prices of", row.scope)]

    def heading(self, rule: Markup) -> str:
        return str(rule)


@admin.register(CustomerPrice)
class CustomerPriceAdmin(Factors, OwnedAdmin):
    """Markups of one organization, and of its children that have none of their own, instead of those for everybody."""

    form = CustomerForm
    nothing = "No customer has prices of their own."
    list_display = ("organization", "scope_shown", "starts_at", "factor_shown")
    list_filter = (
        ("organization", AutocompleteSelectFilter),
        ("model", AutocompleteSelectFilter),
        ("starts_at", WindowFilter),
    )
    ordering = ("-id",)
    search_fields = ("organization__name", "provider", "model__slug")
    search_help_text = "Name of an organization, org_…, provider, or id of a model"
    public_ids = {"org": "organization_id"}
    fields = ("organization_link", ("provider", "model"), ("starts_at", "factor"))
    readonly_fields = ("organization_link",)

    def impact(self, row: CustomerPrice, *, now: datetime) -> list[Figure]:
        return [Figure(row.organization.name, "Prices of", row.scope)]

    def heading(self, rule: CustomerPrice) -> str:
        return f"{rule.scope} for {rule.organization}"
