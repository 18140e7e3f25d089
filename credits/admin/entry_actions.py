"""The buttons of a ledger entry: another reference for it. (Taking it back concerns usage too, and is there.)"""

from typing import Any

from django import forms
from django.urls import reverse

from credits import services
from credits.admin.forms import ReferenceField
from credits.models import LedgerEntry, Reference
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.admin.forms import as_id
from organizations.models import Organization


class EntryForm(ActionForm):
    entry = forms.ModelChoiceField(
        queryset=LedgerEntry.objects.none(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "An entry of this organization's ledger is expected."},
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        field = self.fields["entry"]
        if isinstance(field, forms.ModelChoiceField):
            own = LedgerEntry.objects.filter(wallet__organization=organization)
            field.queryset = own.select_related("wallet__organization", "counted_in")


def page_of_entry(form: ActionForm) -> str | None:
    """Return the page of the entry that a form is about, if it names one."""
    named = as_id(form["entry"].value())
    return None if named is None else reverse("admin:credits_ledgerentry_change", args=[named])


class MoveReferenceForm(EntryForm):
    reference = ReferenceField(
        required=True, help_text="What means this entry from now on. The old one is free again."
    )


class MoveReference(Action):
    slug = "move-reference"
    title = "Change reference"
    icon = "label"
    explanation = (
        "For a payment's or order's id that was used for something else. What means the entry changes, on both sides of a transfer; "
        "the entry keeps saying what it was posted with, and no credits move."
    )
    permission = "credits.adjust"
    form = MoveReferenceForm
    refusals = {services.NotReferable: None, services.ReferenceTaken: "reference"}

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each entry

    def figures_of(self, command: Command) -> list[Figure]:
        entry: LedgerEntry = command.data["entry"]
        current = Reference.objects.filter(entry=entry).first()
        return [Figure(f"Entry {entry}", "Reference", current.text if current else "none")]

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        return page_of_entry(form) or super().leads_to(organization, form)

    def perform(self, command: Command) -> Outcome:
        entry: LedgerEntry = command.data["entry"]
        services.move_reference(
            entry=entry,
            text=command.data["reference"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"Reference {command.data['reference']} means entry #{entry.number} now.")


ACTIONS: tuple[Action, ...] = (MoveReference(),)
