"""What renewals would do, kept to be looked at before they are done."""

from django.db import models
from django.db.models import Q

from credits.models.fields import ZERO, AmountField
from organizations.ids import new_id
from organizations.models import Organization


class Rehearsal(models.Model):
    """One look at all renewals that are due by a moment. It stands apart, as the calendar does: it is of no organization."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    until = models.DateTimeField("due by")
    total = models.PositiveIntegerField()
    """For how many organizations something is due by then."""
    reason = models.CharField(max_length=300)
    performed_by = models.CharField(max_length=400)
    created_at = models.DateTimeField()
    run_by = models.CharField(max_length=400, blank=True, default="")
    run_at = models.DateTimeField(null=True)
    """When somebody said that it is to be done."""

    class Meta:
        permissions = [("run_rehearsal", "Run the renewals that were rehearsed")]

    def __str__(self) -> str:
        return f"Renewals due by {self.until:%Y-%m-%d %H:%M}"


class RehearsedRenewal(models.Model):
    """What the renewal of one organization would do: all boundaries that it crosses, added up. No credits moved."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    rehearsal_id = models.UUIDField()
    """No foreign key: what is of an organization refers to nothing that stands apart."""
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="rehearsed_renewals", db_index=False
    )
    until = models.DateTimeField()
    rehearsed_at = models.DateTimeField(null=True)
    """Null until a worker has looked."""
    periods = models.PositiveIntegerField(default=0)
    """How many billing periods would open; none, where somebody was faster."""
    balance_before = AmountField(default=ZERO)
    lapsed = AmountField(default=ZERO)
    rolled_over = AmountField(default=ZERO)
    granted = AmountField(default=ZERO)
    seats = models.PositiveIntegerField(default=0)
    """How many bring a share in the term that is open then."""
    balance_after = AmountField(default=ZERO)
    stub = models.CharField(max_length=200, blank=True, default="")
    is_to_run = models.BooleanField(default=False)
    ran_at = models.DateTimeField(null=True)
    balance_then = AmountField(null=True)
    """What it really was, once it was run."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rehearsal_id", "organization"], name="rehearsedrenewal_one_of_each"
            )
        ]
        indexes = [
            models.Index(
                fields=["organization"],
                name="rehearsedrenewal_to_rehearse",
                condition=Q(rehearsed_at=None),
            ),
            models.Index(
                fields=["organization"],
                name="rehearsedrenewal_to_run",
                condition=Q(is_to_run=True, ran_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.balance_before} → {self.balance_after}"
