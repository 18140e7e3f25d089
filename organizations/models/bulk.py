"""What somebody of the staff wants done to many at once."""

from collections.abc import Iterable
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from organizations.ids import new_id
from organizations.models.people import Actor, Organization
from organizations.models.proposals import Proposed

Subject = tuple[UUID, UUID | None]
"""Of an organization its id; of a person that of the organization, and theirs."""


class BulkAction(Proposed):
    """An action on many: rehearsed for each, then confirmed, and then done to each. It stands apart, as the calendar does.

    Who asked confirms it; what is too much for one person alone waits for another instead.
    """

    state = models.CharField(max_length=9, choices=Proposed.State, default=Proposed.State.DRAFT)
    selection = models.TextField()
    """By which ids, or filters, they were selected: as the address of the form says it."""
    total = models.PositiveIntegerField()

    class Meta(Proposed.Meta):
        constraints = [
            *Proposed.Meta.constraints,
            models.CheckConstraint(
                name="bulkaction_state_known",
                condition=Q(state__in=["draft", "waiting", "confirmed", "approved", "refused"]),
            ),
            models.CheckConstraint(
                name="bulkaction_confirmed_by_who_asked",
                condition=~Q(state="confirmed") | Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(name="bulkaction_of_somebody", condition=Q(total__gt=0)),
        ]
        indexes = [
            *Proposed.Meta.indexes,
            models.Index(fields=["proposed_by", "-proposed_at"], name="bulkaction_of_one_lately"),
        ]

    def __str__(self) -> str:
        return f"{self.action} for {self.total:,}"

    def whom(self) -> list[tuple[str, str]]:
        items = BulkItem.objects.filter(bulk_id=self.pk)
        return in_order(items.values_list("organization_id", "actor_id"))


def in_order(subjects: Iterable[Subject]) -> list[tuple[str, str]]:
    """Return for whom something is, so that two that are for the same are the same."""
    return sorted((str(organization), str(actor or "")) for organization, actor in subjects)


class BulkItem(models.Model):
    """An organization, or one of its people, that a bulk action is for: what it would do there, and what it did. A name of nobody stands here."""

    class Outcome(models.TextChoices):
        NONE = "", "waits"
        DONE = "done"
        SKIPPED = "skipped"
        FAILED = "failed"

    class Effect(models.TextChoices):
        NONE = "", "none"
        UNBLOCKS = "unblocks"
        BLOCKS = "blocks"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    bulk_id = models.UUIDField()
    """No foreign key: what is of an organization refers to nothing that stands apart."""
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="bulk_items", db_index=False
    )
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="bulk_items", db_index=False
    )
    rehearsed_at = models.DateTimeField(null=True)
    """Null until somebody looked what it would do."""
    figures = models.JSONField(default=dict)
    """What it would change: from what it is called to how it read before and reads after."""
    effect = models.CharField(max_length=8, choices=Effect, blank=True, default=Effect.NONE)
    """Whether work that is refused would pass, or the other way round."""
    amount = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    """How many credits it would move, or let be spent."""
    needs_second_person = models.BooleanField(default=False)
    """Whether it would by itself, by what who asks moved there of late."""
    refusal = models.CharField(max_length=500, blank=True, default="")
    """Why it would be refused."""
    is_to_do = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=7, choices=Outcome, blank=True, default=Outcome.NONE)
    said = models.CharField(max_length=500, blank=True, default="")
    """Why it was not done, or what it did."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bulk_id", "organization", "actor"],
                nulls_distinct=False,
                name="bulkitem_one_of_each",
            ),
            models.CheckConstraint(
                name="bulkitem_outcome_known",
                condition=Q(outcome__in=["", "done", "skipped", "failed"]),
            ),
            models.CheckConstraint(
                name="bulkitem_effect_known", condition=Q(effect__in=["", "unblocks", "blocks"])
            ),
            models.CheckConstraint(
                name="bulkitem_finished_with_an_outcome",
                condition=Q(outcome="", finished_at=None)
                | (~Q(outcome="") & Q(finished_at__isnull=False, is_to_do=True)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization"],
                name="bulkitem_to_rehearse",
                condition=Q(rehearsed_at=None),
            ),
            models.Index(
                fields=["organization"],
                name="bulkitem_to_do",
                condition=Q(is_to_do=True, finished_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.outcome or 'waits'}"
