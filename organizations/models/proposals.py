"""What somebody of the staff wants done that needs a second person."""

from django.db import models
from django.db.models import F, Q

from organizations.ids import new_id
from organizations.models.people import Organization


class Proposal(models.Model):
    """An action with all that was asked of it, which waits for another person to do it or to refuse it.

    A trigger (migration 0002) keeps everything but the decision, and the decision once it is made.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="proposals"
    )
    action = models.CharField(max_length=40)
    payload = models.JSONField()
    """The form as it was filled in: from the name of each input to what was sent for it."""
    digest = models.CharField(max_length=64)
    """SHA-256 of organization, action and payload: what is approved is what was proposed."""
    amount = models.DecimalField(max_digits=24, decimal_places=6)
    """How many credits it would have moved when it was proposed."""
    reason = models.CharField(max_length=300)
    proposed_by = models.CharField(max_length=150)
    """The name of who did, by which people log in: they keep it, so it tells who they are."""
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    decided_by = models.CharField(max_length=150, null=True)
    decided_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=500, blank=True)
    """What it did, in a sentence."""

    class Meta:
        permissions = [
            ("approve", "Approve what another person proposes, where one may do it oneself")
        ]
        constraints = [
            models.CheckConstraint(
                name="proposal_state_known",
                condition=Q(state__in=["waiting", "approved", "refused"]),
            ),
            models.CheckConstraint(
                name="proposal_decided_or_waiting",
                condition=Q(state="waiting", decided_by=None, decided_at=None)
                | (~Q(state="waiting") & Q(decided_by__isnull=False, decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="proposal_approved_by_another",
                condition=~Q(state="approved") | ~Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="proposal_approved_in_time",
                condition=~Q(state="approved") | Q(decided_at__lt=F("expires_at")),
            ),
            models.CheckConstraint(name="proposal_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="proposal_expires_later", condition=Q(expires_at__gt=F("proposed_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.amount.normalize():f} for {self.organization}"
