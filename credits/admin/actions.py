"""The buttons of an organization that bring credits or correct them: grant, adjust, recharge; and what every button that moves credits shares."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from credits import ledger, services
from credits.admin.forms import CreditsField, IntoDebtField, ReferenceField
from credits.models import ZERO, Grant, LedgerEntry, PendingGrant
from credits.templatetags.amounts import credits, signed
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome, visible
from organizations.admin.delegation import Staff
from organizations.models import Organization
from organizations.proposals import WINDOW, Moved
from organizations.services import OrganizationArchived, OrganizationSuspended

Status = Organization.Status
SMALLEST = Decimal("0.000001")


def wallet_figures(organization: Organization, *, now: datetime) -> list[Figure]:
    """Return what a wallet holds, and owes, as the previews of money compare it."""
    wallet = services.wallet_as_of(organization, now=now).wallet
    values = {
        "Balance": wallet.balance,
        "Reserved": wallet.reserved,
        "Available": wallet.available,
        "Allowance": wallet.allowance_remaining,
        "Debt": wallet.debt,
    }
    return [Figure(organization.name, what, credits(value)) for what, value in values.items()]


class AmountForm(ActionForm):
    amount = CreditsField(min_value=SMALLEST)


class FundingForm(AmountForm):
    reference = ReferenceField(
        help_text="The payment's or order's id, if there is one. With it nothing is booked a second time, ever."
    )


class GrantForm(FundingForm):
    name = forms.CharField(
        max_length=128,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        validators=[visible],
        help_text="What you call it: Spring campaign, Order 1043.",
    )
    category = forms.ChoiceField(
        choices=Grant.Category.choices,
        initial=Grant.Category.PROMOTIONAL,
        widget=UnfoldAdminSelectWidget,
        help_text="What it is to the business. It does not decide what is spent first: the priority and the end do.",
    )
    effective_at = forms.SplitDateTimeField(
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="In UTC. Until then the credits are pending, and no part of the balance. Empty: at once.",
    )
    expires_at = forms.SplitDateTimeField(
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="In UTC. What is left then lapses. Empty: never.",
    )
    priority = forms.IntegerField(
        min_value=0,
        max_value=32767,
        initial=50,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Lower numbers are spent first; 50 is usual.",
    )


class GrantField(forms.ModelChoiceField):
    """One of a wallet's grants that hold something."""

    def __init__(self) -> None:
        super().__init__(
            Grant.objects.none(),
            label="Take from",
            required=False,
            empty_label="In the order in which work draws",
            widget=UnfoldAdminSelectWidget,
            help_text="For credits that are taken away: the grant that they came with.",
        )

    def label_from_instance(self, grant: Grant) -> str:
        ends = "no end" if grant.expires_at is None else f"ends {grant.expires_at:%Y-%m-%d %H:%M}"
        reference = f", {grant.entry.reference}" if grant.entry.reference else ""
        return f"{grant} of {grant.created_at:%Y-%m-%d}{reference}, {ends}"


def _live_grants(organization: Organization) -> QuerySet[Any]:
    live = Grant.objects.filter(wallet__organization=organization, live=True)
    return live.select_related("entry").order_by("-created_at", "-id")


class AdjustForm(ActionForm):
    own = {"from_grant": _live_grants}
    amount = CreditsField(
        help_text="With a minus to take credits away: at most what is available.",
    )
    from_grant = GrantField()
    into_debt = IntoDebtField()
    reference = ReferenceField(
        help_text="The id of what is behind it, if there is one. With it nothing is booked a second time, ever."
    )

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        if amount == 0:
            raise forms.ValidationError("An adjustment of 0 changes nothing.")
        return amount


def outcome(entry: LedgerEntry, sentence: str) -> Outcome:
    """Return what an action that posts an entry did: nothing, where its reference means one already."""
    if entry.replayed:
        since = f"{entry.posted_at:%Y-%m-%d}"
        said = (
            f"Nothing moved: {entry.public_id} has this reference since {since}, and is the same."
        )
        return Outcome(said, made=page_of_entry(entry))
    return Outcome(sentence, made=page_of_entry(entry))


def page_of_entry(entry: LedgerEntry) -> str:
    """Return the page of an entry."""
    return reverse("admin:credits_ledgerentry_change", args=[entry.pk])


def posted_by_hand(command: Command) -> Moved:
    """Return what who asks posted on the ledger of an organization in the last day, or gave it for a later day."""
    mine = LedgerEntry.objects.filter(
        wallet__organization=command.organization,
        performed_by=command.performed_by,
        posted_at__gt=command.now - WINDOW,
    )
    sums = mine.aggregate(
        brought=Sum("amount", filter=Q(amount__gt=0), default=ZERO),
        taken=Sum("amount", filter=Q(amount__lt=0), default=ZERO),
    )
    coming = PendingGrant.objects.filter(
        wallet__organization=command.organization,
        performed_by=command.performed_by,
        created_at__gt=command.now - WINDOW,
        cancelled_at=None,
    )
    to_come = coming.aggregate(sum=Sum("amount", default=ZERO))["sum"]
    return Moved(sums["brought"] + to_come, -sums["taken"])


class MoneyAction(Action):
    """An action that posts on the ledger. Each has a right of its own."""

    def moved(self, command: Command) -> Moved:
        return posted_by_hand(command)

    def fits(self, organization: Organization) -> bool:
        return organization.status != Status.ARCHIVED

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return wallet_figures(organization, now=now)


TERMS = {"amount", "name", "category", "expires_at", "priority", "reference", "reason"}
"""What the form of a grant says that any grant has, at once or later."""


def pending_sum(organization: Organization, *, now: datetime) -> Decimal:
    """Return how many credits are to come to an organization after a moment."""
    coming = PendingGrant.objects.filter(
        wallet__organization=organization, begun_at=None, cancelled_at=None, effective_at__gt=now
    )
    total: Decimal = coming.aggregate(sum=Sum("amount", default=ZERO))["sum"]
    return total


class GrantCredits(MoneyAction):
    slug = "grant"
    permission = "credits.grant"
    title = "Grant credits"
    icon = "add_circle"
    explanation = (
        "A present, a prepayment, a trial: credits with an origin of their own, and perhaps an end."
    )
    form = GrantForm
    more = "credits.grant_more"
    """The right to as much as any other action moves."""
    refusals = {
        services.InvalidAmount: "amount",
        services.InvalidStart: "effective_at",
        services.InvalidExpiry: "expires_at",
        services.ReferenceTaken: "reference",
        OrganizationArchived: None,
    }

    def alone_up_to(self, user: Staff) -> Decimal | None:
        limits = [super().alone_up_to(user)]
        if not user.has_perm(self.more):
            limits.append(settings.GRANT_ALONE_UP_TO)
        return min((limit for limit in limits if limit is not None), default=None)

    def may_approve(self, user: Staff) -> bool:
        return super().may_approve(user) and user.has_perm(self.more)

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        to_come = Figure(organization.name, "To come", credits(pending_sum(organization, now=now)))
        return [*super().figures(organization, now=now), to_come]

    def perform(self, command: Command) -> Outcome:
        options = {name: value for name, value in command.data.items() if name in TERMS}
        options |= {"performed_by": command.performed_by, "now": command.now}
        if command.data["effective_at"] is not None:
            return self._schedule(command, options)
        entry = services.grant(organization=command.organization, **options)
        return outcome(
            entry, f"{credits(entry.amount)} credits granted to {command.organization.name}."
        )

    def _schedule(self, command: Command, options: dict[str, Any]) -> Outcome:
        pending, was_there = services.schedule_grant(
            organization=command.organization,
            effective_at=command.data["effective_at"],
            **options,
        )
        if was_there:
            return Outcome(
                f"Nothing is given twice: {pending.public_id} has this reference, and is the same."
            )
        return Outcome(
            f"{credits(pending.amount)} credits come to {command.organization.name}"
            f" on {pending.effective_at:%Y-%m-%d at %H:%M} UTC."
        )


class Adjust(MoneyAction):
    slug = "adjust"
    permission = "credits.adjust"
    title = "Adjust balance"
    icon = "tune"
    explanation = "A correction, up or down. The ledger keeps what was there: nothing is erased. To refund a purchase, reverse its entry, or a part of it."
    form = AdjustForm
    refusals = {
        services.InvalidAmount: "amount",
        services.ReferenceTaken: "reference",
        ledger.InsufficientCredits: "amount",
    }

    def fits(self, organization: Organization) -> bool:
        return True  # also what ends the debt of an archived one

    def perform(self, command: Command) -> Outcome:
        entry = services.adjust(
            organization=command.organization,
            amount=command.data["amount"],
            from_grant=command.data["from_grant"],
            into_debt=command.data["into_debt"],
            reference=command.data["reference"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return outcome(
            entry, f"{command.organization.name} adjusted by {signed(entry.amount)} credits."
        )


class Recharge(MoneyAction):
    slug = "recharge"
    permission = "credits.recharge"
    title = "Recharge"
    icon = "shopping_cart"
    explanation = (
        "A purchase: credits without an end, up to the recharge limit of the billing period."
    )
    form = FundingForm
    refusals = {
        services.InvalidAmount: "amount",
        services.ReferenceTaken: "reference",
        services.RechargeLimitReached: "amount",
        services.NotARoot: None,
        OrganizationSuspended: None,
        OrganizationArchived: None,
    }

    def fits(self, organization: Organization) -> bool:
        return organization.parent_id is None and super().fits(organization)

    def perform(self, command: Command) -> Outcome:
        entry: LedgerEntry = services.recharge(
            organization=command.organization,
            amount=command.data["amount"],
            performed_by=command.performed_by,
            now=command.now,
            reference=command.data["reference"],
            reason=command.data["reason"],
        )
        return outcome(
            entry, f"{command.organization.name} recharged by {credits(entry.amount)} credits."
        )


ACTIONS: tuple[Action, ...] = (GrantCredits(), Adjust(), Recharge())
