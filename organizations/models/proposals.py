"""What somebody of the staff wants done that needs a second person: what every table of it has, and the one of what is of an organization."""

from typing import Any

from django.db import models
from django.db.models import F, Q

from organizations.ids import new_id
from organizations.models.people import Organization

UNDECIDED = ("draft", "waiting")


class Proposed(models.Model):
    """An action with all that was asked of it, until somebody decides it.

    A trigger (migration 0002) keeps everything but the decision, and the decision once it is made.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "not confirmed"
        WAITING = "waiting", "waits for a second person"
        CONFIRMED = "confirmed", "confirmed"
        """By who proposed it: it was not too much for one person."""
        APPROVED = "approved", "approved"
        REFUSED = "refused", "refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    action = models.CharField(max_length=40)
    payload = models.JSONField()
    """All that was asked, as its action reads it."""
    digest = models.CharField(max_length=64)
    """SHA-256 of action, payload and of whom it is for: what is approved is what was proposed."""
    reason = models.CharField(max_length=300)
    proposed_by = models.CharField(max_length=150)
    """The name of who did, by which people log in: they keep it, so it tells who they are."""
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    """Until when it may be decided."""
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    decided_by = models.CharField(max_length=150, null=True)
    decided_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=500, blank=True, default="")
    """What it did, in a sentence."""

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_decided_or_open",
                condition=Q(state__in=UNDECIDED, decided_by=None, decided_at=None)
                | (~Q(state__in=UNDECIDED) & Q(decided_by__isnull=False, decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="%(class)s_approved_by_another",
                condition=~Q(state="approved") | ~Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="%(class)s_decided_in_time",
                condition=~Q(state__in=["approved", "confirmed"])
                | Q(decided_at__lt=F("expires_at")),
            ),
            models.CheckConstraint(
                name="%(class)s_expires_later", condition=Q(expires_at__gt=F("proposed_at"))
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="%(class)s_waits", condition=Q(state="waiting")
            )
        ]

    def whom(self) -> Any:
        """Return for whom it is, as its digest counts it in; None where the payload says all."""
        return None


class Proposal(Proposed):
    """What somebody wants done to an organization: the form of a button, as it was filled in."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="proposals"
    )
    amount = models.DecimalField(max_digits=24, decimal_places=6)
    """How many credits it would have moved when it was proposed."""

    class Meta(Proposed.Meta):
        permissions = [
            ("approve", "Approve what another person proposes, where one may do it oneself")
        ]
        constraints = [
            *Proposed.Meta.constraints,
            models.CheckConstraint(
                name="proposal_state_known",
                condition=Q(state__in=["waiting", "approved", "refused"]),
            ),
            models.CheckConstraint(name="proposal_amount_positive", condition=Q(amount__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.amount.normalize():,f} for {self.organization}"

    def whom(self) -> str:
        return str(self.organization_id)
