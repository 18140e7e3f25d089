"""From where on things become an alert, as staff edit it: for everybody, and for an organization where it differs."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import DecimalField
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from credits.admin.columns import amount
from credits.admin.edits import EditedAdmin
from credits.admin.forms import CreditsField
from organizations.admin.actions import Figure
from organizations.admin.cells import count, pill
from organizations.models import Alert, AlertRule

AS_FOR_EVERYBODY = "as for everybody"
NEVER = "never"
SMALLEST = Decimal("0.000001")


class TimesField(CreditsField):
    """How many times as much as usual."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "A number like 3 or 1.5."}


class AlertRuleForm(forms.ModelForm):
    """The numbers of everybody, or of one organization."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, least, most in LIMITS:
            value = cleaned.get(name)
            if value is not None and not least <= value <= most:
                self.add_error(name, f"From {least} to {most:,}.")
        taken = AlertRule.objects.filter(organization=cleaned.get("organization"))
        if self.instance._state.adding and not self.errors and taken.exists():
            self.add_error("organization", "There is a rule already: change that one.")
        return cleaned


LIMITS = (
    ("near_cap_percent", 1, 100),
    ("cap_within_days", 1, 90),
    ("dry_within_days", 1, 90),
    ("refusals_at_least", 1, 1_000_000),
    ("refusals_factor", 1, 1_000),
)


def _column(name: str, write: Callable[[Any], object]) -> Callable[[AlertRule], object]:
    """Return the column of a number, which says what none means."""
    field: Any = AlertRule._meta.get_field(name)

    def column(rule: AlertRule) -> object:
        number = field.value_from_object(rule)
        if number is None:
            return pill(NEVER if rule.organization_id is None else AS_FOR_EVERYBODY)
        return write(number)

    column.__name__ = name
    return display(description=field.verbose_name, ordering=name)(column)


@admin.register(AlertRule)
class AlertRuleAdmin(EditedAdmin):
    """The row for everybody is always there; an organization has one where something is to differ."""

    form = AlertRuleForm
    list_display = (
        "name",
        *(_column(name, count) for name, *_ in LIMITS[:4]),
        *(_column(name, amount) for name in ("refusals_factor", "debt_above", "debt_growth")),
    )
    list_select_related = ("organization",)
    ordering = ("organization__name",)
    search_fields = ("organization__name",)
    search_help_text = "Name of an organization, or org_…"
    public_ids = {"org": "organization_id"}
    autocomplete_fields = ("organization",)
    deletable = True
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        DecimalField: {"form_class": CreditsField, "widget": CreditsField.widget}
    }
    smallest: ClassVar[Mapping[str, Decimal]] = {
        "debt_growth": SMALLEST,
        "refusals_factor": Decimal(1),
    }
    help_texts: ClassVar[Mapping[str, str]] = {
        "organization": "Whose. What is left empty below is as for everybody.",
        "near_cap_percent": "How much of a cap is settled: of an organization, a person or a shared budget.",
        "cap_within_days": "In how many days the forecast sees the cap of an organization reached, before it resets.",
        "dry_within_days": "In how many days the forecast sees work refused for want of credits.",
        "debt_above": "0: any debt.",
        "debt_growth": "By how much a debt grew within 24 hours.",
        "refusals_at_least": "Fewer in 24 hours are nobody's concern,",
        "refusals_factor": "and neither are those that are not so many times the usual: a day of the week before.",
    }
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("organization",)}),
        ("Credits", {"fields": (("near_cap_percent", "cap_within_days", "dry_within_days"),)}),
        ("Debt", {"fields": (("debt_above", "debt_growth"),)}),
        ("Refusals", {"fields": (("refusals_at_least", "refusals_factor"),)}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "refusals_factor":
            given: dict[str, Any] = {"form_class": TimesField, "widget": UnfoldAdminTextInputWidget}
            kwargs |= given
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        # A rule stays whose it is; that for everybody has no name.
        return self.fieldsets if obj is None else self.fieldsets[1:]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An organization falls back to the rule for everybody, which itself is never taken out."""
        is_everybodys = obj is not None and obj.organization_id is None
        return not is_everybodys and super().has_delete_permission(request, obj)

    def impact(self, row: AlertRule, *, now: datetime) -> list[Figure]:
        whom = row.organization
        rows = Alert.objects.filter(resolved_at=None, organization__isnull=False)
        if whom is not None:
            rows = rows.filter(organization=whom)
        open_now = f"{rows[:MOST].count():,}"
        about = str(whom) if whom is not None else "Everybody without a rule of their own"
        return [Figure(about, "Alerts that are open, until it is looked at again", open_now)]

    def in_words(self, form: Any, name: str, value: Any) -> str:
        if value is None and name != "organization":
            is_everybodys = form.instance.organization_id is None
            return NEVER if is_everybodys else AS_FOR_EVERYBODY
        return super().in_words(form, name, value)

    def heading(self, rule: AlertRule) -> str:
        return f"Alert rules of {rule.organization or 'everybody'}"

    @display(description="Of", ordering="organization__name")
    def name(self, rule: AlertRule) -> str:
        return str(rule.organization or "everybody")


MOST = 1_000
