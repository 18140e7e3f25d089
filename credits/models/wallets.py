"""The wallet of an organization, the terms that people edit, and what has to be remembered of both."""

from datetime import timedelta
from decimal import Decimal

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q

from credits.models.fields import ZERO, AmountField, known, rules
from organizations.history import History
from organizations.ids import new_id
from organizations.models import Organization

GENESIS = bytes(32)
"""The hash before the first entry of a wallet."""


class Wallet(models.Model):
    """The credits of one organization. Written only by the ledger, under this row's lock."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, related_name="wallet"
    )
    balance = AmountField(default=ZERO)
    reserved = AmountField(default=ZERO)
    open_holds = models.IntegerField(default=0, db_default=0)
    """How many reservations are open, swept or not."""
    allowance_remaining = AmountField(default=ZERO)
    """The part of the balance that came with the current term; the rest is prepaid."""
    period = models.OneToOneField(
        "BillingPeriod", null=True, on_delete=models.PROTECT, related_name="+"
    )
    """The open billing period. Null only within the command that makes the wallet."""
    lapse_at = models.DateTimeField(null=True)
    """No grant expires before this moment, and none that is pending begins; null if none does."""
    refill_cooldown_ends_at = models.DateTimeField(null=True)
    """Until then no other refill: the last one succeeded less than a cooldown ago."""
    refill_retry_at = models.DateTimeField(null=True)
    """When the worker tries again; set once per cooldown when the parent was short."""
    head_number = models.BigIntegerField(default=0)
    head_hash = models.BinaryField(max_length=32, default=GENESIS)
    posted_at = models.DateTimeField(null=True)
    """The moment of the last entry: none after it is before it, but where a clock had leapt. Null before the first."""
    event_position = models.BigIntegerField(default=0, db_default=0)
    """How many usage events its organization has: the position of the last one."""
    terms_version = models.UUIDField(db_default=RandomUUID(), editable=False)
    """Another one whenever something changed that decides about spending: a trigger writes it, whoever made the change (migration 0005).
    Random, and compared for equality only: a counter would give one number to two contents after a failover."""
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            rules(
                "credits_wallet_rules_1",
                "balance",
                "reserved",
                "open_holds",
                "allowance_remaining",
                "head_number",
                "event_position",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lapse_at"], name="wallet_lapse", condition=Q(lapse_at__isnull=False)
            ),
            models.Index(
                fields=["refill_cooldown_ends_at"],
                name="wallet_cooldown",
                condition=Q(refill_cooldown_ends_at__isnull=False),
            ),
            models.Index(
                fields=["refill_retry_at"],
                name="wallet_refill_retry",
                condition=Q(refill_retry_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Wallet of {self.organization_id}"

    @property
    def unreserved(self) -> Decimal:
        """Balance less holds, unfloored: what both sides of every decision compare."""
        return self.balance - self.reserved

    @property
    def available(self) -> Decimal:
        """What can be spent on new work right now, as shown to people."""
        return max(ZERO, self.unreserved)

    @property
    def debt(self) -> Decimal:
        """What was spent beyond the grants. It exists only when no grant has anything left."""
        return max(ZERO, -self.balance)

    @property
    def prepaid(self) -> Decimal:
        """The balance that did not come with the term: negative in debt."""
        return self.balance - self.allowance_remaining

    @property
    def transferable(self) -> Decimal:
        """What may leave for another wallet: prepaid credits that no open hold needs."""
        return max(ZERO, min(self.prepaid, self.unreserved))


class CreditConfig(models.Model):
    """The terms that people edit, apart from the money that only services write.

    Caps, the overdraft, the other limits and the refill rule act at once; allowance, term and anchor from the next boundary,
    unless they are an upgrade at once.
    """

    class Term(models.TextChoices):
        MONTH = "month"
        YEAR = "year"

    class Canceller(models.TextChoices):
        """Who cancelled, the nearest first. Whoever is at least as far up may undo it."""

        ORGANIZATION = "organization"
        PARENT = "parent"
        STAFF = "staff"

    class WhenEmpty(models.TextChoices):
        DENY = "deny"
        FALLBACK = "fallback"

    wallet = models.OneToOneField(
        Wallet, primary_key=True, on_delete=models.PROTECT, related_name="config"
    )
    monthly_cap = AmountField(
        null=True, blank=True, help_text="Empty: no cap. 0: nothing may be spent."
    )
    refill_threshold = AmountField(null=True, blank=True)
    refill_amount = AmountField(null=True, blank=True)
    refill_cooldown_seconds = models.PositiveIntegerField(default=300)
    allowance = AmountField(default=ZERO, help_text="Credits included in each term.")
    allowance_per_user = AmountField(default=ZERO, help_text="And for each seat that a user takes.")
    seat_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many seats bring a share. Empty: no limit."
    )
    term = models.CharField(max_length=5, choices=Term, default=Term.MONTH)
    anchored_on = models.DateField(
        help_text="Periods begin on this day of the month; years on this date."
    )
    rollover_limit = AmountField(
        default=ZERO, help_text="What of an allowance may survive its term."
    )
    overdraft_limit = AmountField(
        null=True,
        blank=True,
        default=ZERO,
        help_text="How far admission may go below zero. Empty: no limit.",
    )
    overage_rate = AmountField(
        default=Decimal(1), help_text="Information only; work costs the same."
    )
    when_empty = models.CharField(max_length=8, choices=WhenEmpty, default=WhenEmpty.DENY)
    first_term_full = models.BooleanField(
        default=False,
        help_text="The first term brings a whole allowance, although it begins after its anchor.",
    )
    cancel_at_period_end = models.BooleanField(
        default=False, help_text="The next term brings no allowance; this one stays as it is."
    )
    cancelled_by = models.CharField(
        max_length=12,
        choices=Canceller,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Who may undo it: they, and whoever is above them.",
    )
    recharge_limit = AmountField(default=ZERO, help_text="Per billing period. 0: no recharge.")
    charge_limit = AmountField(
        null=True,
        blank=True,
        default=Decimal(100_000),
        db_default=Decimal(100_000),
        help_text="What one piece of work may cost at most. Empty: no limit.",
    )
    free_fallback_limit = AmountField(
        null=True,
        blank=True,
        default=Decimal(10_000),
        db_default=Decimal(10_000),
        help_text="How much work on fallback models an empty pool may leave unpaid in a calendar month. Empty: no limit.",
    )
    open_holds_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=10_000,
        db_default=10_000,
        help_text="How many holds may be open at once. Empty: no limit.",
    )
    actor_open_holds_limit = models.PositiveIntegerField(
        "open holds limit of an actor",
        null=True,
        blank=True,
        default=10_000,
        db_default=10_000,
        help_text="And how many of each actor. Empty: no limit.",
    )

    history = History()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="creditconfig_amounts_not_negative",
                condition=Q(
                    monthly_cap__gte=0,
                    refill_threshold__gte=0,
                    allowance__gte=0,
                    allowance_per_user__gte=0,
                    rollover_limit__gte=0,
                    overdraft_limit__gte=0,
                    overage_rate__gte=0,
                    recharge_limit__gte=0,
                    charge_limit__gte=0,
                    free_fallback_limit__gte=0,
                ),
            ),
            models.CheckConstraint(
                name="creditconfig_refill_amount_positive", condition=Q(refill_amount__gt=0)
            ),
            models.CheckConstraint(
                name="creditconfig_refill_both_or_neither",
                condition=Q(refill_threshold__isnull=True, refill_amount__isnull=True)
                | Q(refill_threshold__isnull=False, refill_amount__isnull=False),
                violation_error_message="Set both the refill threshold and the refill amount, or neither.",
            ),
            known("creditconfig_term_known", "term", ["month", "year"]),
            known("creditconfig_when_empty_known", "when_empty", ["deny", "fallback"]),
            known(
                "creditconfig_cancelled_by_known",
                "cancelled_by",
                ["", "organization", "parent", "staff"],
            ),
        ]

    def __str__(self) -> str:
        return f"Credit config of {self.wallet_id}"

    @property
    def auto_refill_enabled(self) -> bool:
        return self.refill_threshold is not None and self.refill_amount is not None

    @property
    def yearly(self) -> bool:
        return self.term == self.Term.YEAR

    @property
    def refill_cooldown(self) -> timedelta:
        return timedelta(seconds=self.refill_cooldown_seconds)


class StatusChange(models.Model):
    """That the status of a wallet's organization became another one: what it was at a moment can be told later."""

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="status_changes", db_index=False
    )
    status = models.CharField(max_length=9, choices=Organization.Status)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            known("statuschange_status_known", "status", ["active", "suspended", "archived"])
        ]
        indexes = [models.Index(fields=["wallet", "changed_at"], name="statuschange_as_of")]

    def __str__(self) -> str:
        return f"{self.status} since {self.changed_at:%Y-%m-%d %H:%M}"
