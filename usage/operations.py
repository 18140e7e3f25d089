"""The buttons that concern an actor: a new one, who may bring a share of the allowance; and forgiving what one used."""

from datetime import datetime
from typing import Any

from django import forms
from django.db import IntegrityError
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from credits import services as credits_services
from credits.models import ZERO
from credits.operations import AmountForm, wallet_figures
from credits.templatetags.amounts import credits
from organizations.forms import as_id, own_actor
from organizations.models import Actor, Organization, UsageProfile
from organizations.operations import (
    Command,
    Figure,
    Operation,
    OperationForm,
    Outcome,
    visible,
)
from organizations.services import OrganizationArchived
from usage import services
from usage.services import budgets
from usage.services.profiles import profiles_for


class ExternalIdTaken(Exception):
    """Another actor of the organization has the external id."""


class ActorForm(OperationForm):
    kind = forms.ChoiceField(
        choices=Actor.Kind.choices,
        initial=Actor.Kind.USER,
        widget=UnfoldAdminSelectWidget,
        help_text="A user brings a share of the allowance, where there is one; an agent does not.",
    )
    name = forms.CharField(max_length=128, widget=UnfoldAdminTextInputWidget, validators=[visible])
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget)
    external_id = forms.CharField(
        max_length=128,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        validators=[visible],
        help_text="What the product calls it.",
    )
    profile = forms.ModelChoiceField(
        queryset=UsageProfile.objects.none(),
        required=False,
        empty_label="The organization's default",
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        field = self.fields["profile"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = profiles_for(organization)


class NewActor(Operation):
    slug = "new-actor"
    title = "New actor"
    icon = "person_add"
    explanation = "Somebody who spends: a person or an agent. A person brings a full share of the allowance at once."
    permission = "organizations.add_actor"
    form = ActorForm
    refusals = {
        ExternalIdTaken: "external_id",
        credits_services.ForeignProfile: "profile",
        OrganizationArchived: None,
    }

    def fits(self, organization: Organization) -> bool:
        return False  # offered beside the actors

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        active = organization.actors.filter(active=True).count()
        return [
            Figure(organization.name, "Active actors", str(active)),
            *wallet_figures(organization, now=now),
        ]

    def perform(self, command: Command) -> Outcome:
        data = command.data
        try:
            actor = credits_services.create_actor(
                organization=command.organization,
                kind=data["kind"],
                name=data["name"],
                email=data["email"] or None,
                external_id=data["external_id"] or None,
                profile=data["profile"],
                performed_by=command.performed_by[:100],
                now=command.now,
            )
        except IntegrityError as error:
            # Only the external id can be taken: everything else of an actor is its own.
            raise ExternalIdTaken(f"another actor is {data['external_id']}") from error
        return Outcome(f"{actor.name} is one of the actors of {command.organization.name}.")


class ForgiveForm(AmountForm):
    actor = forms.ModelChoiceField(queryset=Actor.objects.none())

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        self.fields["actor"] = own_actor(organization)
        self.order_fields(["actor", "amount", "reason"])


class Forgive(Operation):
    slug = "forgive"
    title = "Forgive usage"
    icon = "healing"
    explanation = (
        "Takes credits off what an actor used this month, so that its cap has room again. "
        "The wallet and the ledger stay as they are."
    )
    permission = "usage.add_usageevent"
    form = ForgiveForm
    refusals = {services.NothingToForgive: "amount"}

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each actor

    def figures_of(self, command: Command) -> list[Figure]:
        actor: Actor = command.data["actor"]
        standing = budgets.standing_of(actor, now=command.now)
        cap = standing.terms.cap
        left = "no cap" if cap is None else credits(max(ZERO, cap - standing.used))
        return [
            Figure(actor.name, "Used this month", credits(standing.used)),
            Figure(actor.name, "Left of its cap", left),
            *self.wallet_of(command),
        ]

    def wallet_of(self, command: Command) -> list[Figure]:
        """Return the balance, to show that it stays."""
        of_wallet = wallet_figures(command.organization, now=command.now)
        return [figure for figure in of_wallet if figure.what == "Balance"]

    def leads_to(self, organization: Organization, form: OperationForm) -> str:
        named = as_id(form["actor"].value())
        if named is None or not organization.actors.filter(pk=named).exists():
            return super().leads_to(organization, form)
        return reverse("admin:organizations_actor_change", args=[named])

    def perform(self, command: Command) -> Outcome:
        event = services.forgive(
            organization=command.organization,
            actor=command.data["actor"],
            credits=command.data["amount"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{credits(-event.credits)} credits forgiven to {command.data['actor']}.")


OPERATIONS: tuple[Operation, ...] = (NewActor(), Forgive())
