"""Grants that have yet to begin."""

from django.db import models
from django.db.models import F, Q

from credits.models.entries import CATEGORIES, Grant
from credits.models.fields import AmountField, known
from credits.models.wallets import Wallet
from organizations.ids import new_id, write


class PendingGrant(models.Model):
    """Credits that are to come at a moment: no part of any balance until then.

    When its moment has passed, the calendar makes the grant, under the same id, with an entry of the ledger. Nothing of it changes but that
    it began, or was cancelled before (a trigger).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    """That of the grant that it becomes."""
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="pending_grants", db_index=False
    )
    amount = AmountField()
    name = models.CharField(max_length=128, blank=True, default="")
    category = models.CharField(max_length=11, choices=Grant.Category)
    priority = models.PositiveSmallIntegerField(default=50)
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    reference = models.CharField(max_length=255, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True)
    performed_by = models.CharField(max_length=400)
    created_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)
    """When the calendar made the grant."""
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=400, blank=True, default="")
    cancelled_because = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(name="pendinggrant_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="pendinggrant_ends_after_it_begins",
                condition=Q(expires_at=None) | Q(expires_at__gt=F("effective_at")),
            ),
            models.CheckConstraint(
                name="pendinggrant_began_or_was_cancelled",
                condition=Q(begun_at=None) | Q(cancelled_at=None),
            ),
            known("pendinggrant_category_known", "category", CATEGORIES),
            models.UniqueConstraint(
                fields=["wallet", "reference"],
                condition=~Q(reference=""),
                name="pendinggrant_one_per_reference",
            ),
        ]
        indexes = [
            models.Index(
                fields=["wallet", "effective_at"],
                name="pendinggrant_coming",
                condition=Q(begun_at=None, cancelled_at=None),
            ),
            models.Index(fields=["wallet", "-id"], name="pendinggrant_of_wallet"),
        ]

    def __str__(self) -> str:
        named = f"{self.name}: " if self.name else ""
        return f"{named}{self.amount.normalize():f} from {self.effective_at:%Y-%m-%d %H:%M} on"

    @property
    def public_id(self) -> str:
        return write("grn", self.id)

    @property
    def is_pending(self) -> bool:
        return self.begun_at is None and self.cancelled_at is None
