"""One row for each piece of work: done, or refused."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from credits.models import AmountField, LedgerEntry, Reservation, rules
from organizations.ids import new_id, write
from organizations.models import Actor, Group, Organization
from usage.models.prices import AIModel
from usage.pricing import Tokens


class UsageEvent(models.Model):
    """One piece of work that was done, and what it cost. Append-only.

    `(organization, source, external_id)` is unique for ever: the same work told twice is one event. A hold's event has the source
    `reservation`. A `correction` takes back what an event was charged, a `refund` a part of it, a `rerated` one stands for it at another
    price: all say which event they correct, and count in its month.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="usage_events", db_index=False
    )
    source = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128)
    reservation = models.OneToOneField(
        Reservation, null=True, on_delete=models.PROTECT, related_name="usage_event"
    )
    entry = models.ForeignKey(
        LedgerEntry,
        null=True,
        on_delete=models.PROTECT,
        related_name="usage_events",
        db_index=False,
    )
    """For work told afterwards: what it was charged with, together with what was told along with it. For a correction: what gave the
    credits back."""
    corrects = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="corrected_by", db_index=False
    )
    """For a correction or a refund: the event whose credits it takes back. For work that was priced again: the event it stands for now."""
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="usage_events", db_index=False
    )
    group = models.ForeignKey(
        Group, null=True, on_delete=models.PROTECT, related_name="usage_events", db_index=False
    )
    model = models.ForeignKey(
        AIModel, null=True, on_delete=models.PROTECT, related_name="usage_events", db_index=False
    )
    work_type = models.CharField(max_length=20, default="ai")
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    input_tokens = models.BigIntegerField(null=True)
    cached_input_tokens = models.BigIntegerField(null=True)
    cache_write_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    reasoning_tokens = models.BigIntegerField(null=True)
    usage = models.JSONField(null=True)
    """The counts by unit, where it was told so: wholes with their parts in. The columns of tokens are those among them."""
    variant = models.CharField(max_length=40, default="", db_default="")
    """How it was served, like `service_tier=flex`, where that has prices of its own."""
    credits = AmountField()
    list_credits = AmountField()
    """What the work costs by the rate card, also where it was free."""
    rated_at = models.DateTimeField(null=True)
    """From when the prices are that it was charged by."""
    month = models.DateField()
    """The month whose counters carry it."""
    counter_ids = ArrayField(models.BigIntegerField(), default=list)
    byok = models.BooleanField(default=False)
    charged = models.BooleanField(default=True, db_default=True)
    """If not, it is history that was told for the reports: no wallet, counter, cap or threshold knows of it."""
    late = models.BooleanField(default=False)
    note = models.CharField(max_length=200, default="", db_default="")
    """What was not as told: counts that contradict each other, of which it was charged what is possible."""
    metadata = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    position = models.BigIntegerField(editable=False)
    """Which of its organization's events it is, counted from 1 as they are committed: the wallet counts them, under its lock. So a gap is
    an event that is gone. An id tells no order, since it is made by many clocks."""

    class Meta:
        permissions = [
            ("forgive", "Forgive what somebody used"),
            ("spend", "Give keys that spend credits"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "source", "external_id"], name="usageevent_once_for_ever"
            ),
            rules(
                "usage_usageevent_rules_1",
                "source",
                "credits",
                "byok",
                "charged",
                "corrects",
                "entry",
                "reservation",
                "counter_ids",
            ),
            models.UniqueConstraint(
                fields=["corrects", "source"],
                condition=Q(corrects__isnull=False) & ~Q(source="refund"),
                name="usageevent_corrected_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "position"], name="usageevent_one_per_position"
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization", "occurred_at", "position"], name="usageevent_newest_first"
            ),
            models.Index(
                fields=["actor", "occurred_at", "position"],
                name="usageevent_of_actor",
                condition=Q(actor__isnull=False),
            ),
            models.Index(
                fields=["organization", "model", "occurred_at", "position"],
                name="usageevent_of_model",
                condition=Q(model__isnull=False),
            ),
            # Settled holds are nearly everything there is. What came otherwise is found by its source.
            models.Index(
                fields=["organization", "source", "occurred_at", "position"],
                name="usageevent_of_source",
                condition=~Q(source="reservation"),
            ),
            # What corrects an event; refunds of one are many.
            models.Index(
                fields=["corrects"], name="usageevent_beside", condition=Q(corrects__isnull=False)
            ),
            models.Index(
                fields=["entry"], name="usageevent_of_entry", condition=Q(entry__isnull=False)
            ),
            models.Index(
                fields=["group"], name="usageevent_of_group", condition=Q(group__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.external_id}"

    @property
    def public_id(self) -> str:
        return write("evt", self.id)

    @property
    def tokens(self) -> Tokens:
        """The tokens that it told, as the provider of its model counts them."""
        return Tokens(
            input=self.input_tokens or 0,
            cached_input=self.cached_input_tokens or 0,
            cache_write=self.cache_write_tokens or 0,
            output=self.output_tokens or 0,
            reasoning=self.reasoning_tokens or 0,
        )


class Denial(models.Model):
    """What was refused, with the limits of that moment: one row per actor, reason and minute, for 30 days.

    The first refusal of a minute says what was asked and how everything stood; those after it are counted, and their request ids are kept.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="denials", db_index=False
    )
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.CASCADE, related_name="denials", db_index=False
    )
    minute = models.DateTimeField()
    reason = models.CharField(max_length=40)
    code = models.CharField(max_length=40, default="", db_default="")
    """What clients tell it by."""
    message = models.CharField(max_length=500)
    model = models.CharField(max_length=80, default="")
    needed = AmountField(null=True)
    affordable = AmountField(null=True)
    """The most credits that would have been admitted; null where that is no question of an amount."""
    unblocks_at = models.DateTimeField(null=True)
    limits = models.JSONField(default=list)
    times = models.PositiveIntegerField(default=1, db_default=1)
    """How many requests were refused so in this minute, up to `TIMES`."""
    request_ids = ArrayField(models.CharField(max_length=40), default=list, db_default=[])
    """Those that their answers named, the first `REQUEST_IDS`."""
    created_at = models.DateTimeField()

    TIMES, REQUEST_IDS = 1_000, 100

    class Meta:
        verbose_name = "refusal"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "actor", "reason", "minute"],
                nulls_distinct=False,
                name="denial_one_a_minute",
            )
        ]
        indexes = [
            models.Index(fields=["created_at"], name="denial_age"),
            GinIndex(fields=["request_ids"], name="denial_request_ids"),
        ]

    def __str__(self) -> str:
        return self.message
