"""The buttons that take something back: an entry, whole or in part, and one piece of work."""

from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.urls import reverse

from credits import ledger
from credits import services as credits_services
from credits.admin.actions import SMALLEST, outcome, posted_by_hand, wallet_figures
from credits.admin.entry_actions import EntryAction, EntryForm
from credits.admin.forms import CreditsField, IntoDebtField, ReferenceField
from credits.models import Grant, LedgerEntry
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, ActionForm, Card, Command, Figure, Outcome
from organizations.admin.forms import as_id
from organizations.models import Organization
from organizations.proposals import Moved
from usage import services
from usage.admin.actions import used_in
from usage.models import UsageEvent
from usage.services import corrections


class ReverseForm(EntryForm):
    amount = CreditsField(
        min_value=SMALLEST,
        required=False,
        help_text="For a part of it, of what is no work. Empty: all that is left.",
    )
    into_debt = IntoDebtField()
    reference = ReferenceField(
        help_text="The refund's id, if there is one. With it nothing is taken back a second time, ever."
    )


class Reverse(EntryAction):
    slug = "reverse"
    title = "Reverse entry"
    icon = "undo"
    explanation = (
        "Posts its opposite beside it, whole or in part: what it took returns to where it came from, what it brought is taken out of the "
        "grants that it made. "
        "Of a transfer both sides, of work its events and counters too."
    )
    permission = "credits.reverse"
    form = ReverseForm
    verb = "Reverse"
    dangerous = True
    grants_shown = 20
    refusals = {
        credits_services.InvalidAmount: "amount",
        credits_services.NotReversible: None,
        credits_services.ReferenceTaken: "reference",
        credits_services.AlreadyReversed: None,
        ledger.InsufficientCredits: None,
        services.ForgivenMeanwhile: None,
    }

    def moved(self, command: Command) -> Moved:
        return posted_by_hand(command)

    def figures_of(self, command: Command) -> list[Figure]:
        entry: LedgerEntry = command.data["entry"]
        reversals = entry.reversed_by.filter(kind=LedgerEntry.Kind.REVERSAL).order_by("number")
        numbers = ", ".join(f"#{number}" for number in reversals.values_list("number", flat=True))
        return [
            Figure(f"Entry {entry}", "Reversed", f"by {numbers}" if numbers else "no"),
            Figure(f"Entry {entry}", "Left to reverse", credits(entry.left)),
            *_grants_of(entry, self.grants_shown),
            *used_in(entry.counted_in_id),
            *(figure for owner in _owners(entry) for figure in _wallet(owner, command.now)),
        ]

    def perform(self, command: Command) -> Outcome:
        entry: LedgerEntry = command.data["entry"]
        reversal = services.reverse(
            entry=entry,
            amount=command.data["amount"],
            into_debt=command.data["into_debt"],
            reference=command.data["reference"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        in_part = " in part" if abs(reversal.amount) < abs(entry.amount) else ""
        return outcome(
            reversal, f"Entry #{entry.number} is reversed{in_part} by #{reversal.number}."
        )


def _events(organization: Organization) -> QuerySet[Any]:
    own = UsageEvent.objects.filter(organization=organization)
    return own.select_related("organization", "actor")


class EventForm(ActionForm):
    own = {"event": _events}
    event = forms.ModelChoiceField(
        queryset=UsageEvent.objects.none(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "An event of this organization is expected."},
    )
    reference = ReferenceField(
        help_text="The refund's id, if there is one. With it nothing is taken back a second time, ever."
    )


def event_of(organization: Organization, form: ActionForm) -> UsageEvent | None:
    """Return the event that a form names, if it is one of the organization's."""
    named = as_id(form["event"].value())
    rows = UsageEvent.objects.filter(organization=organization).select_related("actor")
    return None if named is None else rows.filter(pk=named).first()


class ReverseEvent(Action):
    slug = "reverse-event"
    title = "Take back event"
    icon = "undo"
    explanation = (
        "Gives back what this piece of work was charged, to where it came from, and takes it off the counters of its month. "
        "What was charged along with it stays."
    )
    permission = "credits.reverse"
    form = EventForm
    dangerous = True
    refusals = {
        services.NothingToReverse: None,
        credits_services.AlreadyReversed: None,
        credits_services.ReferenceTaken: "reference",
        services.ForgivenMeanwhile: None,
    }

    def moved(self, command: Command) -> Moved:
        return posted_by_hand(command)

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each event

    def figures_of(self, command: Command) -> list[Figure]:
        event: UsageEvent = command.data["event"]
        entry = corrections.charge_of(event)
        taken_back = event.corrected_by.exists()
        return [
            Figure(f"Event {event}", "Taken back", "yes" if taken_back else "no"),
            Figure(f"Entry {entry}", "Left to reverse", credits(entry.left)),
            *used_in(entry.counted_in_id),
            *wallet_figures(command.organization, now=command.now),
        ]

    def card(self, organization: Organization, form: ActionForm, *, now: datetime) -> Card | None:
        event = event_of(organization, form)
        if event is None:
            return None
        facts = [
            ("Occurred", f"{event.occurred_at:%Y-%m-%d %H:%M} UTC"),
            ("Person", str(event.actor or "–")),
            ("Model", event.model_id or "–"),
        ]
        url = reverse("admin:usage_usageevent_change", args=[event.pk])
        title = f"{event.work_type}, {credits(event.credits)} credits"
        return Card("bolt", title, event.public_id, url, facts)

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        named = as_id(form["event"].value())
        if named is None:
            return super().leads_to(organization, form)
        return reverse("admin:usage_usageevent_change", args=[named])

    def perform(self, command: Command) -> Outcome:
        event: UsageEvent = command.data["event"]
        reversal = services.reverse_event(
            event=event,
            reference=command.data["reference"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return outcome(reversal, f"Event {event} is taken back by entry #{reversal.number}.")


def _grants_of(entry: LedgerEntry, at_most: int) -> list[Figure]:
    """Return what the grants hold that an entry made or drew on."""
    grants = Grant.objects.filter(Q(entry=entry) | Q(draws__entry=entry)).distinct().order_by("id")
    return [
        Figure(
            "Grants",
            f"{credits(grant.amount)} ({grant.source}) of {grant.created_at:%Y-%m-%d}, {number}",
            credits(grant.remaining),
        )
        for number, grant in enumerate(grants[:at_most], start=1)
    ]


def _owners(entry: LedgerEntry) -> list[Organization]:
    """Return whose wallets an entry moved: of a transfer, both."""
    if entry.transfer_id is None:
        return [entry.wallet.organization]
    sides = Q(wallet__entries__transfer_id=entry.transfer_id)
    return list(Organization.objects.filter(sides).distinct().order_by("id"))


def _wallet(organization: Organization, now: datetime) -> list[Figure]:
    return wallet_figures(organization, now=now)


ACTIONS: tuple[Action, ...] = (Reverse(), ReverseEvent())
