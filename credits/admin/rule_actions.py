"""The buttons that change a rule of an organization: its cap. A form, what it would do today, and one service call, as for money."""

from datetime import datetime

from credits import services
from credits.admin.forms import CreditsField
from credits.admin.today import cap_in_words, cap_today
from credits.models import ZERO
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.models import Organization
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

    def perform(self, command: Command) -> Outcome:
        cap = command.data["monthly_cap"]
        services.update_terms(
            organization=command.organization,
            changes={"monthly_cap": cap},
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"The cap of {command.organization.name}: {cap_in_words(cap)}.")


ACTIONS: tuple[Action, ...] = (SetCap(),)
