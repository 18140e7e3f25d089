"""The buttons that change a rule of an organization: its cap, its overdraft. A form, what it would do today, and one service call, as for money."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from credits import services
from credits.admin.forms import CreditsField
from credits.admin.raising import raised
from credits.admin.today import cap_in_words, cap_today, left_to_spend
from credits.models import ZERO, CreditConfig
from organizations.admin.actions import Action, ActionForm, Again, Command, Figure, Outcome
from organizations.models import Organization
from organizations.proposals import Moved
from organizations.services import OrganizationArchived
from usage.admin.again import month_again


class SetTerm(Action):
    """One amount of the terms, said anew. It acts at once."""

    term: ClassVar[str]
    name: ClassVar[str]
    said: ClassVar[Sequence[str]]
    """How no limit reads, and 0."""
    permission = "credits.change_creditconfig"
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return False  # offered where the term is shown, or is in the way

    def again(self, command: Command) -> Again:
        return month_again(command.organization, now=command.now)

    def moved(self, command: Command) -> Moved:
        return raised_in_terms(self.term, command)

    def perform(self, command: Command) -> Outcome:
        amount = command.data[self.term]
        services.update_terms(
            organization=command.organization,
            changes={self.term: amount},
            performed_by=command.performed_by,
            now=command.now,
        )
        said = cap_in_words(amount, *self.said)
        return Outcome(f"The {self.name} of {command.organization.name}: {said}.")


class CapForm(ActionForm):
    monthly_cap = CreditsField(
        label="Cap of a billing period",
        required=False,
        min_value=ZERO,
        help_text="In credits. Empty: no cap. 0: nothing may be spent.",
    )


class SetCap(SetTerm):
    slug = "set-cap"
    title = "Set the cap"
    icon = "vertical_align_top"
    explanation = "How much may be spent in a billing period, whoever pays. It acts at once."
    form = CapForm
    term, name, said = "monthly_cap", "cap", ()

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return cap_today(organization, services.wallet_as_of(organization, now=now))


class OverdraftForm(ActionForm):
    overdraft_limit = CreditsField(
        label="Overdraft",
        required=False,
        min_value=ZERO,
        help_text="How far below zero new work is admitted, in credits. Empty: no limit. 0: not at all.",
    )


class SetOverdraft(SetTerm):
    slug = "set-overdraft"
    title = "Set the overdraft"
    icon = "south"
    explanation = "How far below zero new work is admitted. It acts at once."
    form = OverdraftForm
    term, name, said = "overdraft_limit", "overdraft", ("no limit", "none")

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        reading = services.wallet_as_of(organization, now=now)
        overdraft = cap_in_words(reading.wallet.config.overdraft_limit, *self.said)
        return [
            Figure(organization.name, "Overdraft", overdraft),
            left_to_spend(organization, reading),
        ]


def raised_in_terms(field: str, command: Command) -> Moved:
    """Return how much who asks raised a term of an organization in the last day."""
    config = CreditConfig.objects.get(wallet__organization=command.organization)
    author, now = command.performed_by, command.now
    return raised(config.history, field, getattr(config, field), author=author, now=now)


ACTIONS: tuple[Action, ...] = (SetCap(), SetOverdraft())
