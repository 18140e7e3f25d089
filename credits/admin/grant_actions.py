"""The buttons of a grant: void the rest of it, or cancel it while it is pending."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from credits import services
from credits.admin.actions import MoneyAction, pending_sum, wallet_figures
from credits.admin.family_actions import family_figures
from credits.admin.forms import ReferenceField
from credits.models import Grant, PendingGrant
from credits.services.grants import state_of
from credits.templatetags.amounts import credits
from organizations.admin.actions import ActionForm, Command, Figure, Outcome
from organizations.admin.forms import as_id
from organizations.models import Organization
from organizations.services import OrganizationArchived


def _grants(organization: Organization) -> QuerySet[Any]:
    own = Grant.objects.filter(wallet__organization=organization)
    return own.select_related("entry__wallet__organization")


class VoidForm(ActionForm):
    own = {"grant": _grants}
    grant = forms.ModelChoiceField(
        queryset=Grant.objects.none(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "A grant of this organization is expected."},
    )
    reference = ReferenceField(
        help_text="The id of what is taken back, if there is one. With it nothing is taken back a second time, ever."
    )


class VoidGrant(MoneyAction):
    slug = "void-grant"
    permission = "credits.void"
    title = "Void the rest of a grant"
    icon = "block"
    explanation = (
        "Takes back what remains of a grant, also what holds need: then work that runs may end in debt. What was spent stays spent. What came from "
        "the parent returns to it."
    )
    form = VoidForm
    dangerous = True
    refusals = {
        services.NothingLeft: None,
        services.ReferenceTaken: "reference",
        OrganizationArchived: None,
    }

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each grant

    def figures_of(self, command: Command) -> list[Figure]:
        grant = Grant.objects.get(pk=command.data["grant"].pk)
        whose = grant.name or f"{credits(grant.amount)} of {grant.created_at:%Y-%m-%d}"
        return [
            Figure(whose, "Remaining", credits(grant.remaining)),
            Figure(whose, "State", state_of(grant, now=command.now)),
            *family_figures(command.organization, now=command.now),
        ]

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        named = as_id(form["grant"].value())
        if named is None:
            return super().leads_to(organization, form)
        return reverse("admin:credits_grant_change", args=[named])

    def perform(self, command: Command) -> Outcome:
        entry = services.void(
            grant=command.data["grant"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
            reference=command.data["reference"],
        )
        if entry.replayed:
            return Outcome(f"Nothing moved: {entry.public_id} has this reference already.")
        return Outcome(f"{credits(-entry.amount)} credits are taken back by entry #{entry.number}.")


def _pending(organization: Organization) -> QuerySet[Any]:
    own = PendingGrant.objects.filter(wallet__organization=organization)
    return own.select_related("wallet__organization")


class CancelForm(ActionForm):
    own = {"grant": _pending}
    grant = forms.ModelChoiceField(
        queryset=PendingGrant.objects.none(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "A pending grant of this organization is expected."},
    )


class CancelGrant(MoneyAction):
    slug = "cancel-grant"
    permission = "credits.grant"
    title = "Cancel a pending grant"
    icon = "event_busy"
    explanation = "Its credits do not come. Its reference stays taken: another grant takes another."
    form = CancelForm
    refusals = {services.NotPending: None}

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each pending grant

    def figures_of(self, command: Command) -> list[Figure]:
        organization = command.organization
        to_come = credits(pending_sum(organization, now=command.now))
        return [
            Figure(organization.name, "To come", to_come),
            *wallet_figures(organization, now=command.now),
        ]

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        named = as_id(form["grant"].value())
        if named is None:
            return super().leads_to(organization, form)
        return reverse("admin:credits_pendinggrant_change", args=[named])

    def perform(self, command: Command) -> Outcome:
        pending = services.cancel_grant(
            pending=command.data["grant"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(
            f"{credits(pending.amount)} credits do not come to {command.organization.name}."
        )


ACTIONS = (VoidGrant(), CancelGrant())
