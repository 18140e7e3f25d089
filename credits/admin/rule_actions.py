"""The buttons that change a rule of an organization: its cap, its overdraft. A form, what it would do today, and one service call, as for money."""

from datetime import datetime

from credits import services
from credits.admin.forms import CreditsField
from credits.admin.raising import raised
from credits.admin.today import cap_in_words, cap_today, left_to_spend
from credits.models import ZERO, CreditConfig
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.models import Organization
from organizations.proposals import Moved
from organizations.services import OrganizationArchived


class CapForm(ActionForm):
    monthly_cap = CreditsField(
        label="Cap of a billing period",
        required=False,
        min_value=ZERO,
        help_text="In credits. Empty: no cap. 0: nothing may be spent.",
    )


class SetCap(Action):
    slug = "set-cap"
    title = "Set the cap"
    icon = "vertical_align_top"
    explanation = "How much may be spent in a billing period, whoever pays. It acts at once."
    permission = "credits.change_creditconfig"
    form = CapForm
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return False  # offered where a cap is in the way

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return cap_today(organization, services.wallet_as_of(organization, now=now))

    def moved(self, command: Command) -> Moved:
        return raised_in_terms("monthly_cap", command)

    def perform(self, command: Command) -> Outcome:
        cap = command.data["monthly_cap"]
        services.update_terms(
            organization=command.organization,
            changes={"monthly_cap": cap},
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"The cap of {command.organization.name}: {cap_in_words(cap)}.")


class OverdraftForm(ActionForm):
    overdraft_limit = CreditsField(
        label="Overdraft",
        required=False,
        min_value=ZERO,
        help_text="How far below zero new work is admitted, in credits. Empty: no limit. 0: not at all.",
    )


class SetOverdraft(Action):
    slug = "set-overdraft"
    title = "Set the overdraft"
    icon = "south"
    explanation = "How far below zero new work is admitted. It acts at once."
    permission = "credits.change_creditconfig"
    form = OverdraftForm
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of the terms

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        reading = services.wallet_as_of(organization, now=now)
        overdraft = cap_in_words(reading.wallet.config.overdraft_limit, "no limit", "none")
        return [
            Figure(organization.name, "Overdraft", overdraft),
            left_to_spend(organization, reading),
        ]

    def moved(self, command: Command) -> Moved:
        return raised_in_terms("overdraft_limit", command)

    def perform(self, command: Command) -> Outcome:
        overdraft = command.data["overdraft_limit"]
        services.update_terms(
            organization=command.organization,
            changes={"overdraft_limit": overdraft},
            performed_by=command.performed_by,
            now=command.now,
        )
        said = cap_in_words(overdraft, "no limit", "none")
        return Outcome(f"The overdraft of {command.organization.name}: {said}.")


def raised_in_terms(field: str, command: Command) -> Moved:
    """Return how much who asks raised a term of an organization in the last day."""
    config = CreditConfig.objects.get(wallet__organization=command.organization)
    author, now = command.performed_by, command.now
    return raised(config.history, field, getattr(config, field), author=author, now=now)


ACTIONS: tuple[Action, ...] = (SetCap(), SetOverdraft())
