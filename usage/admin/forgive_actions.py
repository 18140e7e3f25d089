"""The button that forgives everybody of an organization, or of one of its groups, what they used this month."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from credits.admin.actions import SMALLEST
from credits.admin.forms import CreditsField
from credits.models import ZERO, UsageCounter
from credits.periods import first_of_month
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.admin.forms import as_id
from organizations.models import Group, Organization
from organizations.proposals import Moved
from usage import services
from usage.admin.actions import balance_of, forgiven_by_hand
from usage.services.events import FORGIVEN_AT_ONCE, TooManyToForgive, forgive_all


def _groups(organization: Organization) -> QuerySet[Any]:
    return organization.groups.all()


class ForgiveAllForm(ActionForm):
    own = {"group": _groups}
    amount = CreditsField(
        label="Of each at most",
        min_value=SMALLEST,
        required=False,
        help_text="Empty: all that each of them used this month.",
    )
    group = forms.ModelChoiceField(
        queryset=Group.objects.none(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "A group of this organization is expected."},
    )


class ForgiveAll(Action):
    slug = "forgive-all"
    title = "Forgive everybody"
    icon = "healing"
    permission = "usage.forgive"
    explanation = (
        "Takes credits off what each person used this month, so that their caps have room again: of the whole organization, or of the group that it was "
        "asked on. All of them or nobody. What a group shares stays used, and so do the wallet and the ledger."
    )
    form = ForgiveAllForm
    dangerous = True
    refusals = {services.NothingToForgive: None, TooManyToForgive: None}

    def moved(self, command: Command) -> Moved:
        return forgiven_by_hand(command)

    def fits(self, organization: Organization) -> bool:
        return organization.status != Organization.Status.ARCHIVED  # and on the page of each group

    def figures_of(self, command: Command) -> list[Figure]:
        """Return what each of them used, by name: before and after the same people, whoever has nothing left then."""
        group: Group | None = command.data["group"]
        month = first_of_month(command.now)
        counters = UsageCounter.objects.filter(
            wallet__organization=command.organization, month=month, actor__isnull=False
        )
        if group is not None:
            counters = counters.filter(actor__in=group.members.all())
        rows = counters.select_related("actor").order_by("actor__name", "actor_id")
        people = [
            Figure("Used this month", f"{number}. {each.actor}", credits(each.used))
            for number, each in enumerate(rows[: 2 * FORGIVEN_AT_ONCE], start=1)
        ]
        return [*people, *balance_of(command)]

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        named = as_id(form["group"].value())
        if named is None or not organization.groups.filter(pk=named).exists():
            return super().leads_to(organization, form)
        return reverse("admin:organizations_group_change", args=[named])

    def perform(self, command: Command) -> Outcome:
        events = forgive_all(
            organization=command.organization,
            group=command.data["group"],
            at_most=command.data["amount"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        total = -sum((event.credits for event in events), ZERO)
        whose = command.data["group"] or command.organization
        return Outcome(f"{credits(total)} credits forgiven to {len(events)} people of {whose}.")


ACTIONS: tuple[Action, ...] = (ForgiveAll(),)
