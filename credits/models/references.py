"""The names of payments and orders on what moves money by hand: each means one entry, for ever."""

from django.db import models
from django.db.models import Q

from credits.models.entries import LedgerEntry
from credits.models.fields import known
from credits.models.wallets import Wallet

Kind = LedgerEntry.Kind


class Reference(models.Model):
    """That a text means one entry of a wallet, among its like: who uses it again gets that entry, and moves nothing.

    The entry says for good what it was posted with; this says what means it now. Only `text` ever changes, by a move, and nothing is
    deleted (triggers).
    """

    class Namespace(models.TextChoices):
        RECEIVED = "received"
        """Money from outside."""
        ALLOCATED = "allocated"
        """Between parent and child: on both sides. A child has one parent, so the parent's is the one that decides."""
        TAKEN_BACK = "taken_back"

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="references", db_index=False
    )
    namespace = models.CharField(max_length=10, choices=Namespace)
    text = models.CharField(max_length=255)
    entry = models.OneToOneField(
        LedgerEntry, on_delete=models.PROTECT, related_name="current_reference"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "namespace", "text"], name="reference_means_one_entry"
            ),
            models.CheckConstraint(name="reference_has_a_text", condition=~Q(text="")),
            known(
                "reference_namespace_known", "namespace", ["received", "allocated", "taken_back"]
            ),
        ]
        indexes = [models.Index(fields=["text"], name="reference_by_text")]

    def __str__(self) -> str:
        return self.text


class ReferenceMove(models.Model):
    """That staff gave an entry another reference, so that the old one means nothing any more. Append-only."""

    entry = models.ForeignKey(LedgerEntry, on_delete=models.PROTECT, related_name="reference_moves")
    before = models.CharField(max_length=255, blank=True)
    after = models.CharField(max_length=255)
    reason = models.CharField(max_length=500)
    performed_by = models.CharField(max_length=200)
    moved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="referencemove_has_a_text", condition=~Q(after=""))
        ]

    def __str__(self) -> str:
        return f"{self.before or 'none'} → {self.after}"


def namespace_of(entry: LedgerEntry) -> Reference.Namespace | None:
    """Return among which references that of an entry is unique; None for what is not moved by hand."""
    if entry.kind in (Kind.GRANT, Kind.RECHARGE):
        return Reference.Namespace.RECEIVED
    if entry.kind == Kind.ADJUST:
        is_taken = entry.amount < 0
        return Reference.Namespace.TAKEN_BACK if is_taken else Reference.Namespace.RECEIVED
    of_others = {
        Kind.ALLOCATE: Reference.Namespace.ALLOCATED,
        Kind.REVERSAL: Reference.Namespace.TAKEN_BACK,
        Kind.RECLAIM: Reference.Namespace.TAKEN_BACK,
    }
    return of_others.get(Kind(entry.kind))
