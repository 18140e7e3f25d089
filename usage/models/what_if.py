"""A past month again under other rules."""

from django.db import models
from django.db.models import Q

from credits.models import ZERO, AmountField
from organizations.ids import new_id
from organizations.models import Actor, Organization


class WhatIf(models.Model):
    """A question that staff ask: what would a month have come to by other rules? Kept with its answer.

    It stands apart from what belongs to organizations, as the calendar does: a worker answers it, organization by organization.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    month = models.DateField()
    """The first of the month that is gone through again."""
    changes = models.JSONField()
    """As `usage.what_if.Changes.as_json` writes them."""
    asked_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "what-if"

    def __str__(self) -> str:
        return f"{self.month:%B %Y}, asked {self.created_at:%Y-%m-%d %H:%M}"


class WhatIfPart(models.Model):
    """The answer for one organization, and how far it is: what comes next goes on from `place`."""

    what_if = models.ForeignKey(
        WhatIf, on_delete=models.CASCADE, related_name="parts", db_index=False
    )
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    place = models.JSONField(null=True)
    """The last event that was looked at and both courses up to it, as `usage.services.what_if` writes them; null before the first."""
    credits_before = AmountField(default=ZERO)
    """What the month's work came to."""
    credits_after = AmountField(default=ZERO)
    """What it would have come to."""
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["what_if", "organization"], name="whatifpart_one_per_organization"
            )
        ]
        indexes = [
            models.Index(
                fields=["organization"],
                name="whatifpart_waiting",
                condition=Q(finished_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization} in {self.what_if_id}"


class WhatIfLine(models.Model):
    """What would have become of the work of one person: how many pieces of it were refused by which limit, or moved to another model."""

    class Outcome(models.TextChoices):
        KEPT = "kept", "as it was"
        REFUSED = "refused", "refused"
        DOWNGRADED = "downgraded", "downgraded"
        SPARED = "spared", "not downgraded"
        ADMITTED = "admitted", "not refused"

    part = models.ForeignKey(
        WhatIfPart, on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    actor = models.ForeignKey(
        Actor,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    outcome = models.CharField(max_length=10, choices=Outcome)
    refused_by = models.CharField(max_length=20, default="")
    """What would refuse it, or refused it: the scope of a limit, or what of the terms."""
    pieces = models.BigIntegerField()
    credits_before = AmountField()
    credits_after = AmountField()
    """For what was refused in fact, what it was estimated at."""
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["part", "actor", "outcome", "refused_by"],
                nulls_distinct=False,
                name="whatifline_one_per_outcome",
            )
        ]

    def __str__(self) -> str:
        return f"{self.pieces} {self.outcome}"
