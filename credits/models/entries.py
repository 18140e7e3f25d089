"""The ledger: lots of credits, every movement of them, and which movement changed which lot."""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q, Sum
from django.db.models.fields.json import KeyTextTransform

from credits.models.counters import BillingPeriod
from credits.models.fields import ZERO, AmountField, rules
from credits.models.reservations import Reservation
from credits.models.wallets import Wallet
from organizations import words
from organizations.ids import new_id, write

CATEGORIES = ["paid", "promotional", "goodwill", "correction"]


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

    class Category(models.TextChoices):
        """What the credits are to the business. It decides nothing: not when they are drawn, and not what they buy."""

        PAID = "paid"
        PROMOTIONAL = "promotional"
        GOODWILL = "goodwill"
        CORRECTION = "correction"

    USUAL_CATEGORY: ClassVar[Mapping[str, str]] = {
        Source.ALLOWANCE: Category.PAID,
        Source.GRANT: Category.PROMOTIONAL,
        Source.PURCHASE: Category.PAID,
        Source.ALLOCATION: Category.PAID,
        Source.ADJUSTMENT: Category.CORRECTION,
    }
    """By the source, where nobody said another. What is moved to another wallet keeps the category that it had."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="grants", db_index=False
    )
    entry = models.ForeignKey("LedgerEntry", on_delete=models.PROTECT, related_name="grants")
    """The entry that brought these credits."""
    source = models.CharField(max_length=10, choices=Source)
    amount = AmountField()
    remaining = AmountField()
    live = models.GeneratedField(
        expression=Q(remaining__gt=0),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    """Whether anything remains. Indexes ask this: unlike `remaining` it stays as it is while a grant is drawn on, and with it the indexes."""
    priority = models.SmallIntegerField(default=50)
    expires_at = models.DateTimeField(null=True)
    term_starts_at = models.DateTimeField(null=True)
    """For an allowance: the term it is of. One renewal per term."""
    seat = models.IntegerField(default=0, db_default=0)
    """For a share of the allowance that came in mid-term: the number of its seat; of several at once, of the last."""
    upgrade = models.SmallIntegerField(default=0, db_default=0)
    """For what an upgrade in mid-term brought: its number in the term."""
    name = models.CharField(max_length=128, blank=True, default="", db_default="")
    """What staff call it. Like the category it is not in the hash: neither moves a credit."""
    category = models.CharField(max_length=11, choices=Category, db_default="paid")
    created_at = models.DateTimeField()

    class Meta:
        permissions = [("void", "Void what is left of a grant")]
        constraints = [
            rules(
                "credits_grant_rules_1",
                "source",
                "amount",
                "remaining",
                "priority",
                "expires_at",
                "term_starts_at",
                "seat",
                "upgrade",
                "category",
            ),
            models.UniqueConstraint(
                fields=["wallet", "term_starts_at", "seat", "upgrade"],
                condition=Q(term_starts_at__isnull=False),
                name="grant_one_renewal_per_term",
            ),
        ]
        indexes = [
            models.Index(
                fields=["wallet", "priority", "expires_at", "created_at", "id"],
                name="grant_live",
                condition=Q(live=True),
            ),
            models.Index(
                fields=["wallet", "expires_at"],
                name="grant_ending",
                condition=Q(live=True, expires_at__isnull=False),
            ),
            models.Index(fields=["wallet", "-id"], name="grant_of_wallet"),
        ]

    def __str__(self) -> str:
        named = f"{self.name}: " if self.name else ""
        return (
            f"{named}{self.remaining.normalize():f} of {self.amount.normalize():f} ({self.source})"
        )

    @property
    def public_id(self) -> str:
        return write("grn", self.id)


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
        RECLAIM = "reclaim"

    TRANSFERS = (Kind.ALLOCATE, Kind.REFILL, Kind.SWEEP, Kind.RECLAIM)

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
        BillingPeriod, null=True, on_delete=models.PROTECT, related_name="work", db_index=False
    )
    """For work: the period whose counter carries it, which may have ended before it was posted."""
    reverses = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="reversed_by", db_index=False
    )
    """For a reversal: the entry that it takes back, or a part of; all of them together never more (a trigger). For work that is charged again: the reversal before it."""
    transfer_id = models.UUIDField(null=True)
    reference = models.CharField(max_length=255, blank=True, default="", db_default="")
    """The payment's or order's id that it was posted with. What means it now is its `current_reference`."""
    reason = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict)
    performed_by = models.CharField(max_length=400)
    """Who: `key_…`, `staff:<username>`, also `…, approved by staff:<username>`, or `calendar`. Text, so that it outlives them."""
    posted_at = models.DateTimeField()
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    replayed = False
    """Of what a command returns: whether it was there before, since the command's reference means it. Not a column."""

    class Meta:
        verbose_name_plural = "ledger entries"
        permissions = [
            ("grant", "Grant credits, alone up to the amount set for it"),
            ("grant_more", "Grant credits, alone up to the amount that needs a second person"),
            ("adjust", "Adjust a balance, and change the reference of an entry"),
            ("recharge", "Book a purchase of credits"),
            ("allocate", "Move credits between a parent and its children"),
            ("reverse", "Reverse entries, and take purchases and work back"),
            ("reprice", "Price past work again"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["wallet", "number"], name="ledgerentry_one_per_number"),
            rules(
                "credits_ledgerentry_rules_1",
                "number",
                "kind",
                "amount",
                "reverses",
                "transfer_id",
                "reference",
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
                condition=Q(kind="settle", reverses__isnull=False),
                name="ledgerentry_followed_once",
            ),
        ]
        indexes = [
            models.Index(fields=["wallet", "posted_at", "number"], name="ledgerentry_as_of"),
            # Settled work has no reason.
            words.index("ledgerentry_words", words.ENTRY, condition=~Q(reason="")),
            # Settled work is nearly everything there is. What is rare besides is found by its kind.
            models.Index(
                fields=["wallet", "kind", "posted_at", "number"],
                name="ledgerentry_of_kind",
                condition=~Q(kind="settle"),
            ),
            models.Index(
                "wallet",
                KeyTextTransform("projectId", "metadata"),
                "posted_at",
                "number",
                name="ledgerentry_of_project",
                condition=Q(metadata__has_key="projectId"),
            ),
            models.Index(
                fields=["counted_in", "number"],
                name="ledgerentry_work",
                condition=Q(counted_in__isnull=False),
            ),
            models.Index(
                fields=["reverses"],
                name="ledgerentry_reversals",
                condition=Q(reverses__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.kind} {self.amount.normalize():f}"

    @property
    def public_id(self) -> str:
        return write("txn", self.id)

    @property
    def left(self) -> Decimal:
        """How much of it was not taken back yet, without a sign."""
        reversals = self.reversed_by.filter(kind=self.Kind.REVERSAL)
        taken_back: Decimal = reversals.aggregate(sum=Sum("amount"))["sum"] or ZERO
        return abs(self.amount) - abs(taken_back)


class GrantDraw(models.Model):
    """By how much one entry changed what remains of one grant. Append-only, like the entry."""

    entry = models.ForeignKey(
        LedgerEntry, on_delete=models.PROTECT, related_name="draws", db_index=False
    )
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="draws", db_index=False)
    amount = AmountField()

    class Meta:
        constraints = [
            models.UniqueConstraint("entry", "grant", name="grantdraw_one_per_grant"),
            models.CheckConstraint(name="grantdraw_amount_not_zero", condition=~Q(amount=0)),
        ]
        indexes = [models.Index(fields=["grant", "-id"], name="grantdraw_newest_first")]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f}"
