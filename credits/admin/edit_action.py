"""The button that edits an organization: what is known of it, and on what terms it may use AI."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.forms.fields import InvalidJSONInput
from rest_framework.serializers import ValidationError
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from credits import services
from credits.services.organizations import TERMS_OF_USE
from organizations.admin.actions import (
    Action,
    ActionForm,
    Command,
    ExternalIdField,
    Figure,
    Outcome,
    visible,
)
from organizations.external_ids import ExternalIdTaken
from organizations.fields import MetadataField
from organizations.models import Organization, UsageProfile
from organizations.services import MetadataTooLarge

NO_PROVIDER = "none"


class NotesField(forms.JSONField):
    """Metadata: a mapping from text to text, within the limits of the API."""

    widget = UnfoldAdminTextareaWidget

    def to_python(self, value: Any) -> Any:
        try:
            notes = super().to_python(value)
            notes = {} if notes is None else notes
            MetadataField().run_validation(notes)
        except (RecursionError, ValidationError) as error:
            raise forms.ValidationError(
                "A mapping from text to text is expected: at most 50 keys of 1 to 40 characters, "
                "values of at most 500, 16 kB together, nothing in them that nobody sees."
            ) from error
        return dict(notes)

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)


class ProvidersField(forms.CharField):
    """Providers as an organization enables them: a list, or None for all."""

    widget = UnfoldAdminTextInputWidget
    default_validators = [visible]

    def prepare_value(self, value: Any) -> Any:
        return providers_shown(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str] | None:
        text = super().clean(value)
        names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
        too_long = next((name for name in names if len(name) > 40), None)
        if too_long is not None:
            raise forms.ValidationError(f"{too_long} is longer than the 40 characters of a name.")
        if names == [NO_PROVIDER]:
            return []
        return names or None


def providers_shown(names: list[str] | None) -> str:
    """Return enabled providers as their field takes them."""
    return "" if names is None else ", ".join(names) or NO_PROVIDER


def _profiles(organization: Organization) -> QuerySet[Any]:
    reachable = Q(organization=None) | Q(organization=organization)
    return UsageProfile.objects.filter(reachable).order_by("name")


class EditForm(ActionForm):
    own = {"default_profile": _profiles}
    name = forms.CharField(max_length=128, widget=UnfoldAdminTextInputWidget, validators=[visible])
    billing_email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget)
    external_id = ExternalIdField()
    ai_enabled = forms.BooleanField(
        label="AI enabled",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Without it every request is denied.",
    )
    entitled_until = forms.SplitDateTimeField(
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="In UTC. From then on every request is denied. Empty: no end.",
    )
    byok = forms.BooleanField(
        label="Own provider keys",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Its AI work then costs no credits, and counts against nothing.",
    )
    enabled_providers = ProvidersField(
        required=False,
        help_text=f"As the rate card names them, separated by commas. Empty: all of them. {NO_PROVIDER}: not one.",
    )
    default_profile = forms.ModelChoiceField(
        queryset=UsageProfile.objects.none(),
        required=False,
        empty_label="Standard",
        widget=UnfoldAdminSelectWidget,
        help_text="Of actors without a profile of their own or of a team.",
    )
    metadata = NotesField(required=False, help_text='Notes of yours, as {"name": "text"}.')

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        initial: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        current = {
            "name": organization.name,
            "billing_email": organization.billing_email,
            "external_id": organization.external_id,
            "metadata": organization.metadata,
        } | {name: getattr(organization, name) for name in TERMS_OF_USE}
        kwargs["initial"] = {**current, **(initial or {})}
        super().__init__(*args, organization=organization, **kwargs)


class Edit(Action):
    slug = "edit"
    title = "Edit"
    icon = "edit"
    explanation = (
        "What is known of the organization, and whether it may use AI. Credits are not touched."
    )
    permission = "organizations.change_organization"
    form = EditForm
    refusals = {MetadataTooLarge: "metadata", ExternalIdTaken: "external_id"}

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        notes = ", ".join(f"{name}: {text}" for name, text in sorted(organization.metadata.items()))
        until = organization.entitled_until
        values = {
            "Name": organization.name,
            "Billing email": organization.billing_email or "none",
            "External id": organization.external_id or "none",
            "AI enabled": "yes" if organization.ai_enabled else "no",
            "Entitled until": f"{until:%Y-%m-%d %H:%M} UTC" if until else "no end",
            "Own provider keys": "yes" if organization.byok else "no",
            "Providers": providers_shown(organization.enabled_providers) or "all",
            "Default profile": str(organization.default_profile or "Standard"),
            "Metadata": notes or "none",
        }
        return [Figure("", what, value) for what, value in values.items()]

    def perform(self, command: Command) -> Outcome:
        before = self.figures(command.organization, now=command.now)
        wanted = command.data["metadata"]
        gone = dict.fromkeys(set(command.organization.metadata) - set(wanted), "")
        changes = {name: command.data[name] for name in ("name", *TERMS_OF_USE)} | {
            "billing_email": command.data["billing_email"] or None,
            "external_id": command.data["external_id"],
            "metadata": gone | wanted,
        }
        organization = services.update_organization(
            organization=command.organization,
            changes=changes,
            performed_by=command.performed_by,
            now=command.now,
        )
        after = self.figures(organization, now=command.now)
        changed = [
            f"{new.what} ({old.value} → {new.value})"
            for old, new in zip(before, after, strict=True)
            if old != new
        ]
        return Outcome(f"{organization.name} is edited: {', '.join(changed) or 'nothing changed'}.")
