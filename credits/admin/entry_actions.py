"""The buttons of a ledger entry: another reference for it. (Taking it back concerns usage too, and is there.)"""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from credits import services
from credits.admin.forms import ReferenceField
from credits.admin.ledger import with_reversals
from credits.models import LedgerEntry, Reference
from credits.templatetags.amounts import credits, signed
from organizations.admin.actions import Action, ActionForm, Card, Command, Figure, Outcome
from organizations.admin.forms import as_id
from organizations.models import Organization


def _entries(organization: Organization) -> QuerySet[Any]:
    own = LedgerEntry.objects.filter(wallet__organization=organization)
    return own.select_related("wallet__organization", "counted_in")


class EntryForm(ActionForm):
    own = {"entry": _entries}
    entry = forms.ModelChoiceField(
        queryset=LedgerEntry.objects.none(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "An entry of this organization's ledger is expected."},
    )


def page_of_entry(form: ActionForm) -> str | None:
    """Return the page of the entry that a form is about, if it names one."""
    named = as_id(form["entry"].value())
    return None if named is None else reverse("admin:credits_ledgerentry_change", args=[named])


def entry_of(organization: Organization, form: ActionForm) -> LedgerEntry | None:
    """Return the entry that a form names, if it is on the ledger of the organization."""
    named = as_id(form["entry"].value())
    rows = with_reversals(LedgerEntry.objects.filter(wallet__organization=organization))
    return None if named is None else rows.filter(pk=named).first()


class EntryAction(Action):
    """An action on one entry, which stands at the head of its pages and on its last button."""

    verb: ClassVar[str]

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each entry

    def card(self, organization: Organization, form: ActionForm, *, now: datetime) -> Card | None:
        entry = entry_of(organization, form)
        return None if entry is None else card_of(entry)

    def button(self, organization: Organization, form: ActionForm) -> str:
        entry = entry_of(organization, form)
        return self.title if entry is None else f"{self.verb} entry #{entry.number}"

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        return page_of_entry(form) or super().leads_to(organization, form)


def card_of(entry: LedgerEntry) -> Card:
    """Return what a page says of the entry that it is about."""
    taken_back = getattr(entry, "taken_back", None)
    return Card(
        icon="receipt_long",
        title=f"#{entry.number} {entry.kind}, {signed(entry.amount)} credits",
        note=entry.public_id,
        url=reverse("admin:credits_ledgerentry_change", args=[entry.pk]),
        facts=(
            ("Posted", f"{entry.posted_at:%Y-%m-%d %H:%M} UTC"),
            ("By", entry.performed_by),
            ("Why", entry.reason or "–"),
            ("Taken back", "nothing" if taken_back is None else credits(abs(taken_back))),
        ),
    )


class MoveReferenceForm(EntryForm):
    reference = ReferenceField(
        required=True, help_text="What means this entry from now on. The old one is free again."
    )


class MoveReference(EntryAction):
    slug = "move-reference"
    title = "Change reference"
    icon = "label"
    explanation = (
        "For a payment's or order's id that was used for something else. What means the entry changes, on both sides of a transfer; "
        "the entry keeps saying what it was posted with, and no credits move."
    )
    permission = "credits.adjust"
    form = MoveReferenceForm
    verb = "Change the reference of"
    refusals = {services.NotReferable: None, services.ReferenceTaken: "reference"}

    def figures_of(self, command: Command) -> list[Figure]:
        entry: LedgerEntry = command.data["entry"]
        current = Reference.objects.filter(entry=entry).first()
        return [Figure(f"Entry {entry}", "Reference", current.text if current else "none")]

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
