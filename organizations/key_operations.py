"""The buttons of an organization that concern itself and its API keys: edit, mint, rotate, revoke."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q
from django.forms.fields import InvalidJSONInput
from rest_framework.serializers import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from organizations import clock, scopes, services
from organizations.delegation import delegable_scopes, delegable_tiers
from organizations.fields import MetadataField
from organizations.forms import own_actor
from organizations.models import Actor, ApiKey, Env, Organization, UsageProfile
from organizations.operations import (
    Command,
    Figure,
    Operation,
    OperationForm,
    Outcome,
    visible,
)

SCOPES = {
    scopes.EVERYTHING: "* (all but org:admin)",
    scopes.CREDITS_READ: "credits:read",
    scopes.USAGE_READ: "usage:read",
    scopes.USAGE_WRITE: "usage:write",
    scopes.MANAGE: "manage",
    scopes.ORG_ADMIN: "org:admin (its children)",
}


LEAKED = "leaked"
NO_PROVIDER = "none"
TERMS_OF_USE = ("ai_enabled", "entitled_until", "byok", "enabled_providers", "default_profile")
"""On what terms an organization may use AI, as it is edited beside its name."""


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


class EditForm(OperationForm):
    name = forms.CharField(max_length=128, widget=UnfoldAdminTextInputWidget, validators=[visible])
    billing_email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget)
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
            "metadata": organization.metadata,
        } | {name: getattr(organization, name) for name in TERMS_OF_USE}
        kwargs["initial"] = {**current, **(initial or {})}
        super().__init__(*args, organization=organization, **kwargs)
        field = self.fields["default_profile"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = UsageProfile.objects.filter(
                Q(organization=None) | Q(organization=organization)
            ).order_by("name")


class Edit(Operation):
    slug = "edit"
    title = "Edit"
    icon = "edit"
    explanation = (
        "What is known of the organization, and whether it may use AI. Credits are not touched."
    )
    permission = "organizations.change_organization"
    form = EditForm
    refusals = {services.MetadataTooLarge: "metadata"}

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        notes = ", ".join(f"{name}: {text}" for name, text in sorted(organization.metadata.items()))
        until = organization.entitled_until
        values = {
            "Name": organization.name,
            "Billing email": organization.billing_email or "none",
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


class MintForm(OperationForm):
    name = forms.CharField(
        max_length=120,
        widget=UnfoldAdminTextInputWidget,
        validators=[visible],
        help_text="Where it is used: “production gateway”.",
    )
    actor = forms.ModelChoiceField(queryset=Actor.objects.none(), required=False)
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Those that you may give: a key opens no more than you may do here.",
    )
    env = forms.ChoiceField(
        label="Environment",
        choices=Env.choices,
        initial=Env.LIVE,
        widget=UnfoldAdminSelectWidget,
        help_text="A test key spends play money, in a sandbox of the organization.",
    )
    tier = forms.ChoiceField(
        label="Rate-limit tier",
        choices=ApiKey.Tier.choices,
        initial=ApiKey.Tier.STANDARD,
        widget=UnfoldAdminSelectWidget,
        help_text="Of a live key. A test key is always on the tier sandbox.",
    )
    expires_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="In UTC. Empty: never."
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        self.fields["actor"] = own_actor(
            organization,
            required=False,
            help_text="Whose personal key it is: it opens only what is the actor's own. Empty: the organization's.",
        )
        reach = delegable_scopes(self.user)
        given = [name for name in SCOPES if scopes.effective([name]) <= reach]
        _offer(self.fields["scopes"], SCOPES, given)
        _offer(self.fields["tier"], dict(ApiKey.Tier.choices), delegable_tiers(self.user))

        if organization.is_sandbox:
            self.fields["env"] = forms.ChoiceField(
                label="Environment",
                choices=[(Env.TEST, Env.TEST.label)],
                initial=Env.TEST,
                widget=UnfoldAdminSelectWidget,
            )

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= clock.now():
            raise forms.ValidationError("This moment has passed: the key would open nothing.")
        return expires_at

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("env") == Env.TEST and data.get("actor") and not self.organization.is_sandbox:
            self.add_error(
                "actor",
                "A personal test key is an actor's of the sandbox: mint it on the sandbox's page.",
            )
        return data


def _offer(field: forms.Field, labels: Mapping[str, str], values: Collection[str]) -> None:
    """Leave a choice only these of its values."""
    if isinstance(field, forms.ChoiceField):
        field.choices = [(value, label) for value, label in labels.items() if value in values]


class Mint(Operation):
    slug = "mint-key"
    title = "Mint API key"
    icon = "key"
    explanation = "A new key for this organization. Its secret is shown once, on the last page."
    permission = "organizations.add_apikey"
    form = MintForm
    refusals = {services.ScopeNotDelegable: "scopes", services.OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status != Organization.Status.ARCHIVED

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return [_live_keys(organization, now=now)]

    def owner(self, command: Command) -> Organization:
        """Return whose the key will be."""
        return command.organization

    def perform(self, command: Command) -> Outcome:
        fields = ("name", "actor", "scopes", "tier", "expires_at")
        key, secret = services.mint_key(
            organization=self.owner(command),
            delegable=delegable_scopes(command.user),
            performed_by=command.performed_by,
            now=command.now,
            **{name: command.data[name] for name in fields},
        )
        return Outcome(f"The key {key.name} ({key.prefix}) is minted.", secret)


class KeyForm(OperationForm):
    """Which key of the organization: any, so that whoever asks twice is told that it is done."""

    api_key = forms.ModelChoiceField(
        label="API key", queryset=ApiKey.objects.none(), widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        field = self.fields["api_key"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = services.keys_of(organization).order_by("-id")


class RotateForm(KeyForm):
    leaked = forms.ChoiceField(
        label="Why",
        choices=[
            ("", "Routine: the old one works for 24 hours more"),
            (LEAKED, "Leaked: the old one stops now"),
        ],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )


class RevokeForm(KeyForm):
    and_minted = forms.BooleanField(
        label="And what it minted",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Revoke also the keys whose secrets this one was told, of children too, and what those were told.",
    )


class Rotate(Operation):
    slug = "rotate-key"
    title = "Rotate API key"
    icon = "autorenew"
    explanation = "A new key takes over. Its secret is shown once."
    permission = "organizations.change_apikey"
    form = RotateForm
    refusals = {
        services.KeyNotCurrent: "api_key",
        services.ScopeNotDelegable: "api_key",
        services.OrganizationArchived: None,
    }

    def fits(self, organization: Organization) -> bool:
        return False  # offered beside each key

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return [_live_keys(organization, now=now)]

    def perform(self, command: Command) -> Outcome:
        key, secret = services.rotate_key(
            key=command.data["api_key"],
            leaked=command.data["leaked"] == LEAKED,
            reach=delegable_scopes(command.user),
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{key.name} is rotated; the new key is {key.prefix}.", secret)


class Revoke(Operation):
    slug = "revoke-key"
    title = "Revoke API key"
    icon = "key_off"
    explanation = "The key opens nothing from the next request on. It cannot be taken back."
    permission = "organizations.change_apikey"
    form = RevokeForm
    dangerous = True

    def fits(self, organization: Organization) -> bool:
        return False  # offered beside each key

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return [_live_keys(organization, now=now)]

    def perform(self, command: Command) -> Outcome:
        key = services.revoke_key(
            key=command.data["api_key"],
            and_minted=command.data["and_minted"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"The key {key.name} ({key.prefix}) is revoked.")


def _live_keys(organization: Organization, *, now: datetime) -> Figure:
    live = services.live_keys(now=now) & services.keys_of(organization)
    return Figure("", "Keys that open something", str(live.count()))


OPERATIONS: tuple[Operation, ...] = (Rotate(), Revoke(), Edit())
"""Minting is in `usage`: a test key may need a sandbox first."""
