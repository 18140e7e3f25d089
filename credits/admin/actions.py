"""The buttons of an organization that move credits or end them: grant, adjust, allocate, recharge, upgrade, suspend, resume, archive."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Q, Sum
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from credits import ledger, periods, services
from credits.admin.forms import CreditsField, IntoDebtField, ReferenceField
from credits.admin.today import term_ahead
from credits.models import ZERO, CreditConfig, Grant, LedgerEntry, PendingGrant, Wallet
from credits.templatetags.amounts import credits, signed
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome, visible
from organizations.admin.delegation import Staff
from organizations.models import Organization
from organizations.proposals import WINDOW, Moved
from organizations.services import OrganizationArchived, OrganizationSuspended, keys_of

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


def family_figures(organization: Organization, *, now: datetime) -> list[Figure]:
    """Return the figures of an organization and, before them, those of its parent."""
    family = [organization.parent, organization] if organization.parent else [organization]
    return [figure for member in family for figure in wallet_figures(member, now=now)]


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


class AdjustForm(ActionForm):
    amount = CreditsField(
        help_text="With a minus to take credits away: at most what is available.",
    )
    from_grant = GrantField()
    into_debt = IntoDebtField()
    reference = ReferenceField(
        help_text="The id of what is behind it, if there is one. With it nothing is booked a second time, ever."
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        field = self.fields["from_grant"]
        if isinstance(field, forms.ModelChoiceField):
            live = Grant.objects.filter(wallet__organization=organization, live=True)
            field.queryset = live.select_related("entry").order_by("-created_at", "-id")

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


class Allocate(MoneyAction):
    slug = "allocate"
    permission = "credits.allocate"
    title = "Allocate from parent"
    icon = "move_down"
    explanation = "Prepaid credits that no open hold of the parent needs. They keep their expiry."
    form = FundingForm
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

    def perform(self, command: Command) -> Outcome:
        _, received = services.allocate(
            child=command.organization,
            amount=command.data["amount"],
            reference=command.data["reference"],
            description=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
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


class Reclaim(MoneyAction):
    slug = "reclaim"
    permission = "credits.allocate"
    title = "Reclaim to parent"
    icon = "move_up"
    explanation = "Prepaid credits that no open hold needs, back to the parent. They keep their expiry; the allowance stays."
    form = ReclaimForm
    refusals = Allocate.refusals

    def fits(self, organization: Organization) -> bool:
        return organization.parent_id is not None and super().fits(organization)

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return family_figures(organization, now=now)

    def perform(self, command: Command) -> Outcome:
        sent, _ = services.reclaim_from_child(
            child=command.organization,
            amount=command.data["amount"],
            reference=command.data["reference"],
            description=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return outcome(
            sent, f"{credits(-sent.amount)} credits taken back from {command.organization.name}."
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


class Suspend(Action):
    slug = "suspend"
    title = "Suspend"
    icon = "pause_circle"
    explanation = (
        "It and its children spend nothing, and their keys open nothing, until it is resumed. "
        "Work that runs is still settled."
    )
    permission = "organizations.suspend"
    dangerous = True
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status == Status.ACTIVE

    def perform(self, command: Command) -> Outcome:
        services.suspend(
            organization=command.organization,
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{command.organization.name} is suspended.")


class Resume(Action):
    slug = "resume"
    title = "Resume"
    icon = "play_circle"
    explanation = "Its keys work again and it may spend."
    permission = "organizations.suspend"
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status == Status.SUSPENDED

    def perform(self, command: Command) -> Outcome:
        services.resume(
            organization=command.organization,
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{command.organization.name} is active again.")


class Archive(Action):
    slug = "archive"
    title = "Archive"
    icon = "inventory_2"
    explanation = "For ever: its keys are revoked, its allowance lapses, and what no open hold needs returns to its parent."
    permission = "organizations.delete_organization"
    dangerous = True
    refusals = {services.HasActiveChildren: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status != Status.ARCHIVED

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        keys = keys_of(organization).filter(revoked_at__isnull=True).count()
        return [
            *family_figures(organization, now=now),
            *super().figures(organization, now=now),
            Figure(organization.name, "Keys that are not revoked", str(keys)),
        ]

    def perform(self, command: Command) -> Outcome:
        archival = services.archive(
            organization=command.organization,
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(
            f"{command.organization.name} is archived: {credits(archival.reclaimed_credits)} credits returned, "
            f"{archival.revoked_api_keys} keys revoked."
        )


ACTIONS: tuple[Action, ...] = (
    GrantCredits(),
    Adjust(),
    Allocate(),
    Reclaim(),
    Recharge(),
    Upgrade(),
    Suspend(),
    Resume(),
    Archive(),
)
