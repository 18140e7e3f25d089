"""The button that gives an organization new allowances: today, for the days that are left, or with its next term."""

from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
)

from credits import periods, services
from credits.admin.actions import MoneyAction
from credits.admin.forms import CreditsField
from credits.admin.today import term_ahead
from credits.models import ZERO, CreditConfig
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.models import Organization
from organizations.services import OrganizationArchived


class UpgradeForm(ActionForm):
    starts = forms.ChoiceField(
        choices=[
            ("now", "Today: what is more is funded for the days that are left"),
            ("boundary", "With the next term"),
        ],
        initial="now",
        widget=UnfoldAdminSelectWidget,
    )
    allowance = CreditsField(min_value=ZERO, help_text="Credits included in each term.")
    allowance_per_user = CreditsField(min_value=ZERO, help_text="And for each seat.")

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        config = organization.wallet.config
        self.fields["allowance"].initial = config.allowance
        self.fields["allowance_per_user"].initial = config.allowance_per_user


class Upgrade(MoneyAction):
    slug = "upgrade"
    title = "Upgrade"
    icon = "upgrade"
    explanation = (
        "New allowances, from today on or with the next term. From today on, what they bring more than those in force is funded for the "
        "days that are left of the running term, today included, and for its seats. Less is so from the next term in any case."
    )
    permission = "credits.change_creditconfig"
    form = UpgradeForm
    refusals = {services.InvalidAmount: None, OrganizationArchived: None}

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        config = CreditConfig.objects.get(wallet__organization=organization)
        period = services.wallet_as_of(organization, now=now).period
        left = periods.days_between(now, period.term_ends_at)
        days = f"{left} of {period.whole_days}"
        return [
            Figure(organization.name, "Allowance", credits(config.allowance)),
            Figure(organization.name, "Allowance per user", credits(config.allowance_per_user)),
            Figure(organization.name, "Seats of the term", str(period.seats)),
            Figure(organization.name, "Days left of the term, today included", days),
            term_ahead(organization, now=now),
            *(
                figure._replace(what="Allowance left") if figure.what == "Allowance" else figure
                for figure in super().figures(organization, now=now)
            ),
        ]

    def perform(self, command: Command) -> Outcome:
        names = ("allowance", "allowance_per_user")
        changes = {name: command.data[name] for name in names}
        if command.data["starts"] == "boundary":
            services.update_terms(
                organization=command.organization,
                changes=changes,
                performed_by=command.performed_by,
                now=command.now,
            )
            return Outcome(f"The next term of {command.organization.name} has its new allowances.")
        entry = services.upgrade_terms(
            organization=command.organization,
            **changes,
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        funded = credits(entry.amount) if entry else "No"
        return Outcome(
            f"{command.organization.name} has its new terms. {funded} credits came at once."
        )


ACTIONS: tuple[Action, ...] = (Upgrade(),)
