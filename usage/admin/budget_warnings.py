"""Budget warnings as staff edit them: percentages of a budget at which an alert fires, and nothing is refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.columns import amount
from credits.templatetags.amounts import credits
from organizations.admin import link
from organizations.admin.actions import Figure
from organizations.admin.forms import own_row
from organizations.models import BudgetWarning, Group
from organizations.models.alerts import HIGHEST_PERCENT, MOST_PERCENTS, REACHED
from usage.admin.ownership import OwnedAdmin, OwnedForm
from usage.services import warnings

SMALLEST = Decimal("0.000001")
SUBJECTS = ("actor", "group")


class BudgetWarningForm(OwnedForm):
    """Whose budget, of how much, and at which percentages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.organization is None:
            return
        for name in SUBJECTS:
            if name in self.fields:
                field = BudgetWarning._meta.get_field(name)
                shown = {"required": False, "help_text": self.fields[name].help_text}
                self.fields[name] = own_row(field, self.organization, **shown)

    def clean_percents(self) -> list[int]:
        percents: list[int] = sorted(set(self.cleaned_data["percents"]))
        if len(percents) > MOST_PERCENTS:
            raise forms.ValidationError(f"At most {MOST_PERCENTS} percentages.")
        if any(not 1 <= each <= HIGHEST_PERCENT for each in percents):
            raise forms.ValidationError(f"Percentages are from 1 to {HIGHEST_PERCENT:,}.")
        return percents

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        new = self.instance._state.adding
        actor, group = (
            cleaned.get(name) if new else getattr(self.instance, name) for name in SUBJECTS
        )
        if actor and group:
            self.add_error("group", "A person or a group, not both.")
        elif "budget" in cleaned and cleaned["budget"] is None:
            self._require_a_cap(group, cleaned.get("percents") or [])
        if new and not self.errors:
            field = "actor" if actor else "group" if group else "budget"
            taken = "There is a warning already: change that one."
            self.refuse_if_taken(field, taken, actor=actor, group=group)
        return cleaned

    def _require_a_cap(self, group: Group | None, percents: Sequence[int]) -> None:
        if group is not None and group.kind == Group.Kind.TEAM:
            self.add_error("budget", "A team has no cap of its own: say the budget.")
        if any(percent > REACHED for percent in percents):
            self.add_error("percents", "Nobody gets beyond 100 % of a cap: say a budget.")


@admin.register(BudgetWarning)
class BudgetWarningAdmin(OwnedAdmin):
    """Warnings that refuse nothing: crossing one is an alert, here and in the API."""

    form = BudgetWarningForm
    nothing = "No warnings. Alerts come from the caps alone."
    list_display = ("subject", "organization_link", "budget_shown", "percents_shown")
    list_filter = (
        ("organization", AutocompleteSelectFilter),
        ("actor", AutocompleteSelectFilter),
        ("group", AutocompleteSelectFilter),
    )
    list_select_related: ClassVar[Sequence[str]] = ("organization", "actor", "group")
    search_fields = ("organization__name", "actor__name", "group__name")
    search_by_names = ("organization", "actor", "group")
    search_help_text = "Name of an organization, a person or a group; org_…, act_… or grp_…"
    public_ids = {"org": "organization_id", "act": "actor_id", "grp": "group_id", "": "id"}
    deletable = True
    smallest: ClassVar[Mapping[str, Decimal]] = {"budget": SMALLEST}
    help_texts: ClassVar[Mapping[str, str]] = {
        "actor": "Of this person or agent only. Neither a person nor a group: of the organization as a whole.",
        "group": "Of a shared budget what is drawn from it, of a team what its members use together.",
        "budget": "Credits per calendar month. Empty: of the cap that applies, of an organization per billing period; "
        "then these percentages are instead of those of the alert rules.",
        "percents": "At most five, separated by commas: 80, 100. Nothing is refused at any of them.",
    }
    empty_means: ClassVar[Mapping[str, str]] = {
        "actor": "nobody in particular",
        "group": "no group",
        "budget": "the cap that applies",
    }
    readonly_fields = ("organization_link", "whose")

    def get_fields(self, request: HttpRequest, obj: BudgetWarning | None = None) -> Any:
        subject = [SUBJECTS] if obj is None else ["whose"]
        return ["organization_link", *subject, ("budget", "percents")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BudgetWarning]:
        rows: QuerySet[BudgetWarning] = super().get_queryset(request)
        return rows.select_related("organization", "actor", "group")

    def impact(self, row: BudgetWarning, *, now: datetime) -> list[Figure]:
        name = whose(row)
        if row._state.adding or not BudgetWarning.objects.filter(pk=row.pk).exists():
            return [Figure(name, "Warns now", "never")]
        current = BudgetWarning.objects.select_related(*self.list_select_related).get(pk=row.pk)
        standing = warnings.standing_of(current, now=now)
        return [
            Figure(name, "Used", credits(standing.used)),
            Figure(name, "Of", "no cap" if standing.of is None else credits(standing.of)),
            Figure(name, "Warns now", standing.said),
        ]

    def heading(self, warning: BudgetWarning) -> str:
        return f"Budget warning of {whose(warning)}"

    def in_words(self, form: Any, name: str, value: Any) -> str:
        if name == "percents":
            return at(value)
        return super().in_words(form, name, value)

    @display(description="Of")
    def subject(self, warning: BudgetWarning) -> str:
        return whose(warning)  # a list leads from here to the row itself

    @display(description="Of")
    def whose(self, warning: BudgetWarning) -> SafeString:
        return link(warning.actor or warning.group or warning.organization)

    @display(description="Budget", ordering="budget")
    def budget_shown(self, warning: BudgetWarning) -> SafeString | str:
        return "the cap" if warning.budget is None else amount(warning.budget)

    @display(description="Warns at")
    def percents_shown(self, warning: BudgetWarning) -> str:
        return at(warning.percents)


def whose(warning: BudgetWarning) -> str:
    """Return whom a warning is about."""
    return str(warning.actor or warning.group or warning.organization)


def at(percents: Sequence[int]) -> str:
    """Return percentages as people read them."""
    return f"{', '.join(str(percent) for percent in percents)} %"
