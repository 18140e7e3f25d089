"""What somebody of the staff wants done to many at once."""

from django.db import models
from django.db.models import F, Q

from organizations.ids import new_id
from organizations.models.people import Actor, Organization


class BulkAction(models.Model):
    """An action on many, as it was asked for: rehearsed for each, then confirmed, and then done to each. It stands apart, as the calendar does.

    A trigger (migration 0002) keeps everything but the decision, and the decision once it is made.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "not confirmed"
        WAITING = "waiting", "waits for a second person"
        CONFIRMED = "confirmed"
        REFUSED = "refused", "given up"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    action = models.CharField(max_length=40)
    payload = models.JSONField()
    """The form as it was filled in: from the name of each input to what was sent for it."""
    selection = models.TextField()
    """By which ids, or filters, they were selected: as the address of the form says it."""
    digest = models.CharField(max_length=64)
    """SHA-256 of action, payload and of whom it is for: what is confirmed, or approved, is what was asked."""
    total = models.PositiveIntegerField()
    reason = models.CharField(max_length=300)
    asked_by = models.CharField(max_length=150)
    """The name of who did, by which people log in: they keep it, so it tells who they are."""
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    """Until when it may be confirmed, or approved."""
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT)
    needs_second_person = models.BooleanField(default=False)
    decided_by = models.CharField(max_length=150, null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="bulkaction_state_known",
                condition=Q(state__in=["draft", "waiting", "confirmed", "refused"]),
            ),
            models.CheckConstraint(
                name="bulkaction_decided_or_open",
                condition=Q(state__in=["draft", "waiting"], decided_by=None, decided_at=None)
                | (
                    ~Q(state__in=["draft", "waiting"])
                    & Q(decided_by__isnull=False, decided_at__isnull=False)
                ),
            ),
            models.CheckConstraint(
                name="bulkaction_approved_by_another",
                condition=~Q(state="confirmed", needs_second_person=True)
                | ~Q(decided_by=F("asked_by")),
            ),
            models.CheckConstraint(
                name="bulkaction_confirmed_in_time",
                condition=~Q(state="confirmed") | Q(decided_at__lt=F("expires_at")),
            ),
            models.CheckConstraint(name="bulkaction_of_somebody", condition=Q(total__gt=0)),
            models.CheckConstraint(
                name="bulkaction_expires_later", condition=Q(expires_at__gt=F("asked_at"))
            ),
        ]
        indexes = [
            models.Index(fields=["asked_by", "-asked_at"], name="bulkaction_of_one_lately"),
        ]

    def __str__(self) -> str:
        return f"{self.action} for {self.total:,}"


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
