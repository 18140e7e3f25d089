"""Usage profiles as staff see them: the system's, which are everybody's, and each organization's own."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextInputWidget,
)

from credits.admin.columns import amount
from organizations.admin import pill
from organizations.admin.actions import Figure
from organizations.admin.cells import UNLIMITED
from organizations.models import UsageProfile
from usage.admin.ownership import OwnedAdmin, OwnedForm
from usage.admin.today import profile_today
from usage.services import profiles

SYSTEM = "system"
"""What stands in the address for a profile of the system instead of an organization."""
slug_form = RegexValidator(
    r"^[a-z][a-z0-9-]*\Z", "Lower-case letters, digits and hyphens, beginning with a letter."
)


class ProfileForm(OwnedForm):
    allowed_model_tiers = forms.MultipleChoiceField(
        label="Model tiers",
        choices=UsageProfile.Tier.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        show_hidden_initial=True,
        help_text="Models of other tiers are refused, but for fallbacks.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "slug" in self.fields:
            self.fields["slug"].validators.append(slug_form)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if "slug" in cleaned:
            self.refuse_if_taken("slug", "Another profile has it.", slug=cleaned["slug"])
        return cleaned


@admin.register(UsageProfile)
class UsageProfileAdmin(OwnedAdmin):
    """What actors may use, and how much of it in a month. The system's profiles are for superusers to change."""

    form = ProfileForm
    list_display = ("name", "slug", "owner", "cap", "tiers")
    list_filter = (
        ("organization", admin.EmptyFieldListFilter),
        ("organization", AutocompleteSelectFilter),
    )
    search_fields = ("name", "slug", "organization__name")
    search_help_text = "Name or slug, name of an organization, or org_…"
    public_ids = {"org": "organization_id", "": "id"}
    refusals = (*OwnedAdmin.refusals, profiles.SystemProfile, profiles.ProfileInUse)
    deletable = True
    decides = True
    help_texts = {
        "slug": "What requests call it.",
        "credit_cap_per_month": "For each actor. Empty: no cap. 0: nothing may be spent. It acts at once.",
        "features": "Names of yours, separated by commas.",
    }
    empty_means = {"credit_cap_per_month": "no cap"}
    zero_means = {"credit_cap_per_month": "0: nothing may be spent"}
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "owner",
                    "name",
                    "slug",
                    "description",
                    "credit_cap_per_month",
                    "allowed_model_tiers",
                    "features",
                )
            },
        ),
    )
    formfield_overrides = OwnedAdmin.formfield_overrides | {
        ArrayField: {"widget": UnfoldAdminTextInputWidget}
    }

    def impact(self, row: UsageProfile, *, now: datetime) -> list[Figure]:
        return profile_today(row, now=now)

    def heading(self, profile: UsageProfile) -> str:
        return f"{profile.organization or 'The system'}: {profile}"

    def get_readonly_fields(self, request: HttpRequest, obj: UsageProfile | None = None) -> Any:
        # Everybody's default is found by its slug.
        return ("owner", "slug") if obj and obj.organization_id is None else ("owner",)

    def has_change_permission(self, request: HttpRequest, obj: UsageProfile | None = None) -> bool:
        return self._may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: UsageProfile | None = None) -> bool:
        is_system = obj is not None and obj.organization_id is None
        return not is_system and super().has_delete_permission(request, obj)

    def may_be_everybodys(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def chosen(self, request: HttpRequest) -> dict[str, Any] | None:
        if request.GET.get("organization") == SYSTEM and self.may_be_everybodys(request):
            return {"organization": None}
        return super().chosen(request)

    def store(
        self,
        row: UsageProfile,
        changes: dict[str, Any],
        *,
        is_new: bool,
        author: str,
        now: datetime,
    ) -> None:
        if is_new:
            made = profiles.create_profile(
                organization=row.organization, performed_by=author, now=now, **changes
            )
            row.pk = made.pk
            return
        profiles.update_profile(
            profile=UsageProfile.objects.get(pk=row.pk),
            changes=changes,
            performed_by=author,
            now=now,
            by_staff=True,
        )

    def remove(self, row: UsageProfile, *, author: str, now: datetime) -> None:
        profiles.delete_profile(profile=row, performed_by=author)

    def _may_touch(self, request: HttpRequest, profile: UsageProfile | None) -> bool:
        is_system = profile is not None and profile.organization_id is None
        return not is_system or self.may_be_everybodys(request)

    @display(description="Whose", ordering="organization__name")
    def owner(self, profile: UsageProfile) -> SafeString | str:
        return self.organization_link(profile) if profile.organization else pill("system", "info")

    @display(description="Cap per month", ordering="credit_cap_per_month")
    def cap(self, profile: UsageProfile) -> SafeString | str:
        return UNLIMITED if profile.is_unlimited else amount(profile.credit_cap_per_month)

    @display(description="Model tiers")
    def tiers(self, profile: UsageProfile) -> str:
        return ", ".join(profile.allowed_model_tiers) or "none"
