"""The buttons of an organization that concern its API keys: mint, rotate, revoke."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from organizations import clock, scopes, services
from organizations.admin.actions import (
    Action,
    ActionForm,
    Card,
    Command,
    Figure,
    Outcome,
    visible,
)
from organizations.admin.delegation import delegable_scopes, delegable_tiers
from organizations.admin.forms import as_id, own_actor
from organizations.admin.key_states import state_of
from organizations.models import Actor, ApiKey, Env, Organization

SCOPES = {
    scopes.EVERYTHING: "* (all but org:admin)",
    scopes.CREDITS_READ: "credits:read",
    scopes.USAGE_READ: "usage:read",
    scopes.USAGE_WRITE: "usage:write",
    scopes.MANAGE: "manage",
    scopes.ORG_ADMIN: "org:admin (its children)",
}


LEAKED = "leaked"


class MintForm(ActionForm):
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


class Mint(Action):
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
        return Outcome(f"The key {_said(key)} is minted.", secret, page_of_key(key))


def _keys(organization: Organization) -> QuerySet[Any]:
    return services.keys_of(organization).order_by("-id")


class KeyForm(ActionForm):
    """Which key of the organization: any, so that whoever asks twice is told that it is done."""

    own = {"api_key": _keys}
    api_key = forms.ModelChoiceField(
        label="API key", queryset=ApiKey.objects.none(), widget=UnfoldAdminSelectWidget
    )


class RotateForm(KeyForm):
    leaked = forms.ChoiceField(
        label="Routine, or leaked?",
        choices=[
            ("", "Routine: the old one works for 24 hours more"),
            (LEAKED, "Leaked: the old one stops now"),
        ],
        required=False,
        initial="",
        widget=UnfoldAdminRadioSelectWidget,
    )


class RevokeForm(KeyForm):
    and_minted = forms.BooleanField(
        label="And what it minted",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Revoke also the keys whose secrets this one was told, of children too, and what those were told.",
    )


def key_of(organization: Organization, form: ActionForm) -> ApiKey | None:
    """Return the key that a form names, if the organization has it."""
    named = as_id(form["api_key"].value())
    rows = services.keys_of(organization).select_related("actor")
    return None if named is None else rows.filter(pk=named).first()


def page_of_key(key: ApiKey) -> str:
    """Return the page of a key."""
    return reverse("admin:organizations_apikey_change", args=[key.pk])


class KeyAction(Action):
    """An action on one key, which stands at the head of its pages and on its last button."""

    permission = "organizations.change_apikey"

    def fits(self, organization: Organization) -> bool:
        return False  # offered beside each key

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return [_live_keys(organization, now=now)]

    def card(self, organization: Organization, form: ActionForm, *, now: datetime) -> Card | None:
        key = key_of(organization, form)
        if key is None:
            return None
        return Card("key", key.name, f"{key.prefix}_…", page_of_key(key), self.facts(key, now=now))

    def facts(self, key: ApiKey, *, now: datetime) -> list[tuple[str, str]]:
        """Return what tells a key from others."""
        used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M} UTC"
        return [
            ("State", state_of(key, now)),
            ("Last used", used),
            ("Opens", ", ".join(key.scopes) or "nothing"),
            ("Made", f"{key.created_at:%Y-%m-%d}"),
            *([("Personal key of", key.actor.name)] if key.actor else []),
        ]

    def button(self, organization: Organization, form: ActionForm) -> str:
        key = key_of(organization, form)
        verb = self.title.split()[0]
        return self.title if key is None else f"{verb} {key.prefix}…"


class Rotate(KeyAction):
    slug = "rotate-key"
    title = "Rotate API key"
    icon = "autorenew"
    explanation = "A new key takes over. Its secret is shown once."
    form = RotateForm
    refusals = {
        services.KeyNotCurrent: "api_key",
        services.ScopeNotDelegable: "api_key",
        services.OrganizationArchived: None,
    }

    def perform(self, command: Command) -> Outcome:
        old = command.data["api_key"]
        key, secret = services.rotate_key(
            key=old,
            leaked=command.data["leaked"] == LEAKED,
            reach=delegable_scopes(command.user),
            performed_by=command.performed_by,
            now=command.now,
        )
        said = f"The key {_said(old)} is rotated; the new key is {key.prefix}."
        return Outcome(said, secret, page_of_key(key))


class Revoke(KeyAction):
    slug = "revoke-key"
    title = "Revoke API key"
    icon = "key_off"
    explanation = "The key opens nothing from the next request on. It cannot be taken back."
    form = RevokeForm
    dangerous = True

    def perform(self, command: Command) -> Outcome:
        key = services.revoke_key(
            key=command.data["api_key"],
            and_minted=command.data["and_minted"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"The key {_said(key)} is revoked.", made=page_of_key(key))


def _said(key: ApiKey) -> str:
    """Return what a log calls a key. The name of a personal one may be a person's, which no log of an organization forgets."""
    return str(key) if key.actor_id is None else key.prefix


def _live_keys(organization: Organization, *, now: datetime) -> Figure:
    live = services.live_keys(now=now) & services.keys_of(organization)
    return Figure("", "Keys that open something", str(live.count()))


ACTIONS: tuple[Action, ...] = (Rotate(), Revoke())
"""Minting is in `usage`: a test key may need a sandbox first."""
