"""What organizations hold: wallets, grants, and the ledger that explains every balance.

Four nouns and three rules. A *wallet* holds the credits of one organization. Its credits came in as *grants*: lots with an origin,
a priority and perhaps an expiry. Every movement is a *ledger entry*, and says with its *draws* which grants it changed and by how
much. A *reservation* holds credits while work runs; it writes no entry until the work is settled.

1. `balance` = what remains in the wallet's grants − its debt = the sum of its ledger entries.
2. `reserved` = the sum of its open reservations.
3. Nobody writes any of these but `credits/ledger.py`, under the lock of the wallet's row.

Amounts are exact decimals with six places, times are UTC, periods are `[starts_at, ends_at)`. `null` is no limit, `0` is nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from organizations.ids import new_id, write
from organizations.models import Actor, Group, Organization

ZERO = Decimal(0)
GENESIS = bytes(32)
"""The hash before the first entry of a wallet."""
MAX_AMOUNT = Decimal(10) ** 13
"""The largest amount any one command may name."""


class AmountField(models.DecimalField):
    """Credits: an exact decimal with six places."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 24, "decimal_places": 6, **options})


def _known(name: str, field: str, values: Iterable[str]) -> models.CheckConstraint:
    return models.CheckConstraint(name=name, condition=Q(**{f"{field}__in": list(values)}))


class Wallet(models.Model):
    """The credits of one organization. Written only by the ledger, under this row's lock."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, related_name="wallet"
    )
    balance = AmountField(default=ZERO)
    reserved = AmountField(default=ZERO)
    allowance_remaining = AmountField(default=ZERO)
    """The part of the balance that came with the current term; the rest is prepaid."""
    period = models.OneToOneField(
        "BillingPeriod", null=True, on_delete=models.PROTECT, related_name="+"
    )
    """The open billing period. Null only within the command that makes the wallet."""
    lapse_at = models.DateTimeField(null=True)
    """No grant expires before this moment; null if none does."""
    refill_cooldown_ends_at = models.DateTimeField(null=True)
    """Until then no other refill: the last one succeeded less than a cooldown ago."""
    refill_retry_at = models.DateTimeField(null=True)
    """When the worker tries again; set once per cooldown when the parent was short."""
    head_number = models.BigIntegerField(default=0)
    head_hash = models.BinaryField(max_length=32, default=GENESIS)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="wallet_reserved_not_negative", condition=Q(reserved__gte=0)
            ),
            models.CheckConstraint(
                name="wallet_allowance_within_balance",
                condition=Q(allowance_remaining__gte=0)
                & (Q(allowance_remaining=0) | Q(allowance_remaining__lte=F("balance"))),
            ),
            models.CheckConstraint(
                name="wallet_head_not_negative", condition=Q(head_number__gte=0)
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

    Caps, the overdraft, the recharge limit and the refill rule act at once; allowance, term and anchor from the next boundary.
    """

    class Term(models.TextChoices):
        MONTH = "month"
        YEAR = "year"

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
    allowance_per_user = AmountField(default=ZERO, help_text="And for each active user.")
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
    cancel_at_period_end = models.BooleanField(
        default=False, help_text="The next term brings no allowance; this one stays as it is."
    )
    recharge_limit = AmountField(default=ZERO, help_text="Per billing period. 0: no recharge.")

    history = HistoricalRecords()

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
            _known("creditconfig_term_known", "term", ["month", "year"]),
            _known("creditconfig_when_empty_known", "when_empty", ["deny", "fallback"]),
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


class BillingPeriod(models.Model):
    """One billing period of one wallet: what its cap counts, and the frame of its statement.

    `used` and `reserved` belong to the holds that were opened in the period, whenever they settle. The statement belongs to the
    entries that were posted in it, so a closed statement never changes. Each period begins where the one before it ended: a
    foreign key from (wallet, starts_at) to (wallet, ends_at) says so (migration 0002).
    """

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="periods", db_index=False
    )
    index = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    term_starts_at = models.DateTimeField()
    term_ends_at = models.DateTimeField()
    used = AmountField(default=ZERO)
    reserved = AmountField(default=ZERO)
    opening_balance = AmountField()
    closing_balance = AmountField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("wallet", "index", name="billingperiod_one_per_index"),
            models.UniqueConstraint("wallet", "starts_at", name="billingperiod_one_per_start"),
            models.UniqueConstraint(fields=["wallet", "ends_at"], name="billingperiod_one_per_end"),
            models.UniqueConstraint(
                fields=["wallet"],
                condition=Q(closed_at__isnull=True),
                name="billingperiod_one_open",
            ),
            models.CheckConstraint(
                name="billingperiod_ends_after_it_starts", condition=Q(ends_at__gt=F("starts_at"))
            ),
            models.CheckConstraint(
                name="billingperiod_within_its_term",
                condition=Q(starts_at__gte=F("term_starts_at"), ends_at__lte=F("term_ends_at")),
            ),
            models.CheckConstraint(
                name="billingperiod_counters_not_negative",
                condition=Q(used__gte=0, reserved__gte=0),
            ),
            models.CheckConstraint(
                name="billingperiod_closed_as_a_whole",
                condition=Q(closed_at__isnull=True, closing_balance__isnull=True)
                | Q(closed_at__isnull=False, closing_balance__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["ends_at"], name="billingperiod_due", condition=Q(closed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d} – {self.ends_at:%Y-%m-%d}"


class StatusChange(models.Model):
    """That the status of a wallet's organization became another one: what it was at a moment can be told later."""

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="status_changes", db_index=False
    )
    status = models.CharField(max_length=9, choices=Organization.Status)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            _known("statuschange_status_known", "status", ["active", "suspended", "archived"])
        ]
        indexes = [models.Index(fields=["wallet", "changed_at"], name="statuschange_as_of")]

    def __str__(self) -> str:
        return f"{self.status} since {self.changed_at:%Y-%m-%d %H:%M}"


class UsageCounter(models.Model):
    """What one subject used and has reserved in one calendar month: the organization, an actor, an entity group, a resource.

    Without an actor, a group and a resource it is the organization's own. It lives here and not in `usage`, because whoever ends a
    hold frees its counters: the calendar, an archive, a denial that first clears what has expired.
    """

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="counters", db_index=False
    )
    month = models.DateField()
    actor = models.ForeignKey(Actor, null=True, on_delete=models.PROTECT, related_name="counters")
    group = models.ForeignKey(Group, null=True, on_delete=models.PROTECT, related_name="counters")
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    used = AmountField(default=ZERO)
    reserved = AmountField(default=ZERO)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "month", "actor", "group", "resource_type", "resource_id"],
                nulls_distinct=False,
                name="usagecounter_one_per_subject",
            ),
            models.CheckConstraint(
                name="usagecounter_has_one_subject",
                condition=Q(actor=None, group=None)
                | Q(actor=None, resource_type="")
                | Q(group=None, resource_type=""),
            ),
            models.CheckConstraint(
                name="usagecounter_resource_as_a_whole",
                condition=Q(resource_type="", resource_id="")
                | (~Q(resource_type="") & ~Q(resource_id="")),
            ),
            models.CheckConstraint(
                name="usagecounter_amounts_not_negative", condition=Q(used__gte=0, reserved__gte=0)
            ),
            models.CheckConstraint(name="usagecounter_from_the_first", condition=Q(month__day=1)),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.used.normalize():f}"


class AllowanceShare(models.Model):
    """That a user brought their share of the allowance in a term: at most once, whatever comes and goes."""

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="allowance_shares", db_index=False
    )
    actor = models.ForeignKey(Actor, on_delete=models.PROTECT, related_name="allowance_shares")
    term_starts_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "term_starts_at", "actor"], name="allowanceshare_once_per_term"
            )
        ]

    def __str__(self) -> str:
        return f"{self.actor_id} in the term from {self.term_starts_at:%Y-%m-%d}"


class Grant(models.Model):
    """A lot of credits: where it came from, when it ends, and what remains of it.

    Only `remaining` ever changes, and always by a draw. The rest is covered by the hash of the entry that made the grant.
    """

    class Source(models.TextChoices):
        ALLOWANCE = "allowance"
        GRANT = "grant"
        PURCHASE = "purchase"
        ALLOCATION = "allocation"
        ADJUSTMENT = "adjustment"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="grants")
    entry = models.ForeignKey("LedgerEntry", on_delete=models.PROTECT, related_name="grants")
    """The entry that brought these credits."""
    source = models.CharField(max_length=10, choices=Source)
    amount = AmountField()
    remaining = AmountField()
    priority = models.PositiveSmallIntegerField(default=50)
    expires_at = models.DateTimeField(null=True)
    term_starts_at = models.DateTimeField(null=True)
    """For an allowance: the term it is of. One renewal per term."""
    share_of = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    """For a share of the allowance that came in mid-term: the user who brought it."""
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="grant_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="grant_remaining_within_amount",
                condition=Q(remaining__gte=0, remaining__lte=F("amount")),
            ),
            models.CheckConstraint(
                name="grant_allowance_has_a_term_and_an_end",
                condition=Q(
                    source="allowance", term_starts_at__isnull=False, expires_at__isnull=False
                )
                | (~Q(source="allowance") & Q(term_starts_at__isnull=True)),
            ),
            models.UniqueConstraint(
                fields=["wallet", "term_starts_at", "share_of"],
                condition=Q(term_starts_at__isnull=False),
                nulls_distinct=False,
                name="grant_one_renewal_per_term",
            ),
            _known(
                "grant_source_known",
                "source",
                ["allowance", "grant", "purchase", "allocation", "adjustment"],
            ),
        ]
        indexes = [
            models.Index(
                fields=["wallet", "priority", "expires_at"],
                name="grant_live",
                condition=Q(remaining__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.remaining.normalize():f} of {self.amount.normalize():f} ({self.source})"


class Reservation(models.Model):
    """A hold on a wallet while work runs. It leaves `open` once; a trigger refuses a second time.

    `open` → `settled`, `released` or `expired`; work that finishes after its hold expired is still charged: `expired` → `settled`,
    with `late`.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        RELEASED = "released"
        EXPIRED = "expired"

    class Decision(models.TextChoices):
        ALLOW = "allow"
        DOWNGRADE = "downgrade"

    class Mode(models.TextChoices):
        EXACT = "exact"
        UP_TO = "up_to"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="reservations")
    """The period that was open when the hold was made: its counters carry it to the end."""
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.EXACT)
    credits = AmountField()
    """What is held; what was held, once it is closed."""
    settled_credits = AmountField(null=True)
    late = models.BooleanField(default=False)
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    group = models.ForeignKey(
        Group, null=True, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    """The entity group whose bucket it counts against."""
    counter_ids = ArrayField(models.BigIntegerField(), default=list)
    """The month's counters that carry it, to the end: later changes of membership do not move it."""
    work_type = models.CharField(max_length=20, default="ai")
    """What kind of work it is for reports: `ai`, `agent_run`, `app_compute`, `job_compute`."""
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    """The app or dataset that the work is for."""
    requested_model = models.CharField(max_length=80, default="")
    effective_model = models.CharField(max_length=80, default="")
    decision = models.CharField(max_length=9, choices=Decision, default=Decision.ALLOW)
    is_charged = models.BooleanField(default=True)
    """Not, where the organization brings its own provider keys, or works on with a free fallback."""
    byok = models.BooleanField(default=False)
    estimate = models.JSONField(null=True)
    """The tokens it was priced for, if it was reserved in tokens."""
    rate_card = models.JSONField(null=True)
    """The prices of the moment of admission, by which its tokens are charged whenever it settles."""
    settled_with = models.JSONField(null=True)
    """What it was settled with, to tell a repeat from a contradiction."""
    limits = models.JSONField(default=list)
    """The limits of the moment of admission, as the decision explained them."""
    metadata = models.JSONField(default=dict)
    performed_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="reservation_credits_not_negative", condition=Q(credits__gte=0)
            ),
            models.CheckConstraint(
                name="reservation_settled_with_credits",
                condition=Q(status="settled", settled_credits__gte=0, settled_credits__isnull=False)
                | (~Q(status="settled") & Q(settled_credits__isnull=True)),
            ),
            models.CheckConstraint(
                name="reservation_closed_at_with_status",
                condition=Q(status="open", closed_at__isnull=True)
                | (~Q(status="open") & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="reservation_late_only_when_settled",
                condition=Q(late=False) | Q(status="settled"),
            ),
            _known(
                "reservation_status_known", "status", ["open", "settled", "released", "expired"]
            ),
            _known("reservation_mode_known", "mode", ["exact", "up_to"]),
            _known("reservation_decision_known", "decision", ["allow", "downgrade"]),
            models.CheckConstraint(
                name="reservation_holds_only_what_it_charges",
                condition=Q(is_charged=True) | Q(credits=0),
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="reservation_due", condition=Q(status="open")),
            models.Index(
                fields=["wallet", "expires_at"], name="reservation_open", condition=Q(status="open")
            ),
            models.Index(fields=["wallet", "-id"], name="reservation_of_wallet"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return write("rsv", self.id)

    def status_at(self, now: datetime) -> str:
        """The status as of `now`: past its expiry a hold counts as expired, swept or not."""
        if self.status == self.Status.OPEN and self.expires_at <= now:
            return self.Status.EXPIRED
        return self.status


class Growth(models.Model):
    """That a hold grew, by what and when: what it held at a moment can be told later."""

    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="growths")
    credits = AmountField()
    grown_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="growth_credits_positive", condition=Q(credits__gt=0))
        ]

    def __str__(self) -> str:
        return f"+{self.credits.normalize():f}"


class LedgerEntry(models.Model):
    """One movement on one wallet. Append-only: a trigger refuses every change, whoever asks.

    Numbered 1..n without a gap within its wallet, with the balance after it and the hash of the entry before it. A transfer is two
    entries that share `transfer_id` and sum to zero (a deferred trigger).
    """

    class Kind(models.TextChoices):
        GRANT = "grant"
        RENEW = "renew"
        RECHARGE = "recharge"
        ADJUST = "adjust"
        LAPSE = "lapse"
        SETTLE = "settle"
        REVERSAL = "reversal"
        ALLOCATE = "allocate"
        REFILL = "refill"
        SWEEP = "sweep"

    TRANSFERS = (Kind.ALLOCATE, Kind.REFILL, Kind.SWEEP)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    number = models.BigIntegerField()
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="entries")
    """The period it was posted in: whose statement it is on."""
    kind = models.CharField(max_length=8, choices=Kind)
    amount = AmountField()
    balance_after = AmountField()
    allowance_after = AmountField()
    usage_after = AmountField(null=True)
    """For work: the used credits of the period that counts it, after this entry."""
    reservation = models.ForeignKey(
        Reservation, null=True, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    counted_in = models.ForeignKey(
        BillingPeriod, null=True, on_delete=models.PROTECT, related_name="work"
    )
    """For work: the period whose counter carries it, which may have ended before it was posted."""
    reverses = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="reversed_by", db_index=False
    )
    """For a reversal: the entry that it takes back. For work that is charged again: the reversal before it."""
    transfer_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict)
    performed_by = models.CharField(max_length=200)
    """Who: `key_…`, `staff:<username>` or `calendar`. Text, so that it outlives them."""
    posted_at = models.DateTimeField()
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(fields=["wallet", "number"], name="ledgerentry_one_per_number"),
            models.CheckConstraint(name="ledgerentry_number_from_one", condition=Q(number__gte=1)),
            models.CheckConstraint(
                name="ledgerentry_amount_not_zero", condition=~Q(amount=0) | Q(kind="renew")
            ),
            models.CheckConstraint(
                name="ledgerentry_sign_of_kind",
                condition=(~Q(kind__in=["settle", "lapse"]) | Q(amount__lt=0))
                & (~Q(kind__in=["grant", "recharge"]) | Q(amount__gt=0))
                & (~Q(kind="renew") | Q(amount__gte=0)),
            ),
            models.CheckConstraint(
                name="ledgerentry_transfer_has_an_id",
                condition=Q(kind="reversal")
                | Q(kind__in=["allocate", "refill", "sweep"], transfer_id__isnull=False)
                | (~Q(kind__in=["allocate", "refill", "sweep"]) & Q(transfer_id__isnull=True)),
            ),
            models.UniqueConstraint(
                fields=["transfer_id", "wallet"],
                condition=Q(transfer_id__isnull=False),
                name="ledgerentry_one_side_per_wallet",
            ),
            models.UniqueConstraint(
                fields=["reservation"],
                condition=Q(kind="settle", reverses__isnull=True),
                name="ledgerentry_one_charge_per_reservation",
            ),
            models.UniqueConstraint(
                fields=["reverses"],
                condition=Q(reverses__isnull=False),
                name="ledgerentry_reversed_once",
            ),
            models.CheckConstraint(
                name="ledgerentry_reverses_by_kind",
                condition=Q(kind="settle")
                | Q(kind="reversal", reverses__isnull=False)
                | (~Q(kind__in=["settle", "reversal"]) & Q(reverses__isnull=True)),
            ),
            _known(
                "ledgerentry_kind_known",
                "kind",
                [
                    "grant",
                    "renew",
                    "recharge",
                    "adjust",
                    "lapse",
                    "settle",
                    "reversal",
                    "allocate",
                    "refill",
                    "sweep",
                ],
            ),
        ]
        indexes = [models.Index(fields=["wallet", "posted_at"], name="ledgerentry_as_of")]

    def __str__(self) -> str:
        return f"#{self.number} {self.kind} {self.amount.normalize():f}"

    @property
    def public_id(self) -> str:
        return write("txn", self.id)


class GrantDraw(models.Model):
    """By how much one entry changed what remains of one grant. Append-only, like the entry."""

    entry = models.ForeignKey(
        LedgerEntry, on_delete=models.PROTECT, related_name="draws", db_index=False
    )
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="draws")
    amount = AmountField()

    class Meta:
        constraints = [
            models.UniqueConstraint("entry", "grant", name="grantdraw_one_per_grant"),
            models.CheckConstraint(name="grantdraw_amount_not_zero", condition=~Q(amount=0)),
        ]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f}"
