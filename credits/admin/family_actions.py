"""The buttons that move credits between an organization and its parent: allocate, reclaim."""

from datetime import datetime
from typing import Any

from credits import ledger, services
from credits.admin.actions import SMALLEST, FundingForm, MoneyAction, outcome, wallet_figures
from credits.admin.forms import CreditsField
from credits.models import Wallet
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, Command, Figure, Outcome
from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended


def family_figures(organization: Organization, *, now: datetime) -> list[Figure]:
    """Return the figures of an organization and, before them, those of its parent."""
    family = [organization.parent, organization] if organization.parent else [organization]
    return [figure for member in family for figure in wallet_figures(member, now=now)]


class FamilyAction(MoneyAction):
    """An action of a child that moves credits between it and its parent."""

    permission = "credits.allocate"
    refusals = {
        services.InvalidAmount: "amount",
        services.ReferenceTaken: "reference",
        ledger.InsufficientCredits: "amount",
        Wallet.DoesNotExist: None,
        OrganizationSuspended: None,
        OrganizationArchived: None,
    }

    def fits(self, organization: Organization) -> bool:
        return organization.parent_id is not None and super().fits(organization)

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return family_figures(organization, now=now)


class Allocate(FamilyAction):
    slug = "allocate"
    title = "Allocate from parent"
    icon = "move_down"
    explanation = "Prepaid credits that no open hold of the parent needs. They keep their expiry."
    form = FundingForm

    def perform(self, command: Command) -> Outcome:
        _, received = services.allocate(child=command.organization, **_asked(command))
        return outcome(
            received,
            f"{credits(received.amount)} credits allocated to {command.organization.name}.",
        )


class ReclaimForm(FundingForm):
    amount = CreditsField(
        min_value=SMALLEST,
        required=False,
        help_text="Empty: all prepaid credits that no open hold needs.",
    )


class Reclaim(FamilyAction):
    slug = "reclaim"
    title = "Reclaim to parent"
    icon = "move_up"
    explanation = "Prepaid credits that no open hold needs, back to the parent. They keep their expiry; the allowance stays."
    form = ReclaimForm

    def perform(self, command: Command) -> Outcome:
        sent, _ = services.reclaim_from_child(child=command.organization, **_asked(command))
        return outcome(
            sent, f"{credits(-sent.amount)} credits taken back from {command.organization.name}."
        )


def _asked(command: Command) -> dict[str, Any]:
    return {
        "amount": command.data["amount"],
        "reference": command.data["reference"],
        "description": command.data["reason"],
        "performed_by": command.performed_by,
        "now": command.now,
    }


ACTIONS: tuple[Action, ...] = (Allocate(), Reclaim())
