"""The form that asks what a month would have come to by other rules."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from credits import periods
from credits.admin.forms import CreditsField
from credits.models import ZERO
from organizations import clock, ids
from organizations.admin.forms import ForgivingSelect
from organizations.models import Actor, Organization, UsageProfile
from usage import what_if
from usage.admin.limit_actions import subject_of
from usage.models import WhatIf
from usage.what_if import EVERYBODY, Changes

MONTHS = 13
AS_IT_IS = object()
"""A rule that is not tried."""


class TriedField(CreditsField):
    """A number that is tried: nothing is as it is, `none` is no limit."""

    def __init__(self, label: str, help_text: str = "") -> None:
        hint = f"{help_text} Empty: as it is. “none”: no limit.".strip()
        super().__init__(label=label, required=False, min_value=ZERO, help_text=hint)

    def clean(self, value: Any) -> Any:
        text = str(value or "").strip().lower()
        if not text:
            return AS_IT_IS
        return None if text == "none" else super().clean(value)


class WhatIfForm(forms.ModelForm):
    """Which rules are tried, on whom, in which month."""

    month = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    organization = forms.CharField(
        required=False,
        label="Organization",
        widget=UnfoldAdminTextInputWidget,
        help_text="Its id, org_…. Empty: everybody who used something in the month.",
    )
    monthly_cap = TriedField("Cap of a billing period", "Credits.")
    overdraft_limit = TriedField("Overdraft", "Credits below zero.")
    downgrade = TriedField("Downgrade threshold", "Credits settled in the month.")
    shutoff = TriedField("Shutoff threshold", "Credits settled in the month.")
    everybody = TriedField("Limit of everybody", "Credits a month, of who has none of their own.")
    limit_of = forms.CharField(
        required=False,
        label="Limit of one",
        widget=UnfoldAdminTextInputWidget,
        help_text="act_…, grp_…, or the type and id of an app: app/writer.",
    )
    limit = TriedField("is", "Credits a month.")
    profile = forms.ModelChoiceField(
        UsageProfile.objects.none(),
        required=False,
        help_text="Everybody's: its model tiers, and its limit for who has none of their own. Empty: as they are.",
    )
    prices_of = forms.DateField(
        required=False,
        label="Prices of",
        widget=UnfoldAdminTextInputWidget({"placeholder": "2026-12-01"}),
        help_text="The prices that are in force on that day, also one to come. Empty: those of then.",
    )
    multiplier = forms.DecimalField(
        required=False,
        label="Prices times",
        min_value=Decimal("0.000001"),
        max_value=Decimal(1_000),
        widget=UnfoldAdminTextInputWidget({"placeholder": "1.25"}),
        help_text="1.25 is a quarter more.",
    )

    class Meta:
        model = WhatIf
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["month"].choices = list(_months())  # type: ignore[attr-defined]
        profiles = UsageProfile.objects.select_related("organization").order_by("name", "id")
        profile: Any = self.fields["profile"]
        # It is searched for: customers have thousands.
        profile.widget = ForgivingSelect(Actor._meta.get_field("profile"), admin.site)
        profile.queryset = profiles

    def clean_month(self) -> date:
        return date.fromisoformat(self.cleaned_data["month"])

    def clean_organization(self) -> Organization | None:
        text = self.cleaned_data["organization"].strip()
        if not text:
            return None
        try:
            found = Organization.objects.filter(id=ids.read("org", text)).first()
        except ids.MalformedId:
            found = None
        if found is None:
            raise forms.ValidationError("There is no such organization.")
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        self.changes = self._changes(cleaned)
        if self.errors:
            return cleaned
        if cleaned["organization"] is None and not self.changes.as_json():
            raise forms.ValidationError("Name a rule that differs, or one organization.")
        return cleaned

    def _changes(self, cleaned: dict[str, Any]) -> Changes:
        named = {name: cleaned[name] for name in what_if.RULES}
        profile, day = cleaned["profile"], cleaned["prices_of"]
        return Changes(
            rules={name: value for name, value in named.items() if value is not AS_IT_IS},
            limits=self._limits(cleaned),
            profile=profile.id if profile else None,
            prices_of=datetime.combine(day, time.max, UTC) if day else None,
            multiplier=cleaned["multiplier"],
        )

    def _limits(self, cleaned: dict[str, Any]) -> dict[str, Decimal | None]:
        limits = {EVERYBODY: cleaned["everybody"]} if cleaned["everybody"] is not AS_IT_IS else {}
        whose, cap = cleaned["limit_of"].strip(), cleaned["limit"]
        if bool(whose) != (cap is not AS_IT_IS):
            missing = "limit" if whose else "limit_of"
            self.add_error(missing, "Say both: whose limit, and what it is.")
        elif whose:
            key = self._key(whose)
            if key:
                limits[key] = cap
        return limits

    def _key(self, whose: str) -> str:
        organization = self.cleaned_data["organization"]
        subject = subject_of(organization, whose) if organization else None
        if subject is None:
            problem = (
                "The organization has none such." if organization else "Name the organization too."
            )
            self.add_error("limit_of", problem)
            return ""
        fields = subject.fields
        if "actor" in fields:
            return what_if.actor_key(fields["actor"].id)
        if "group" in fields:
            return what_if.group_key(fields["group"].id)
        return what_if.resource_key(fields["resource_type"], fields["resource_id"])


def _months() -> Iterator[tuple[str, str]]:
    """Yield the months that may be asked about, this one first."""
    first = periods.first_of_month(clock.now())
    for back in range(MONTHS):
        months = first.year * 12 + first.month - 1 - back
        month = date(months // 12, months % 12 + 1, 1)
        yield month.isoformat(), f"{month:%B %Y}"
