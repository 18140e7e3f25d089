"""What organizations consumed: the rate card, limits, and one event per piece of work.

An *AI model* has dated *rates*. *Thresholds* change what an organization's work runs on, *limits* are numbers that nobody crosses. A
*usage event* is one piece of work that was done, a *denial* one that was refused. What a month used so far is in the counters of
`credits`, which every hold reserves in.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from credits.models import ZERO, AmountField, LedgerEntry, Reservation
from organizations.history import History
from organizations.ids import new_id, write
from organizations.models import Actor, Group, Organization, UsageProfile
from usage.hours import InvalidHours, minutes_of
from usage.pricing import Tokens
from usage.units import UNITS

MAX_FACTOR = 1_000


def unit_choices() -> list[tuple[str, str]]:
    """Return the units that may have a price, as a form offers them."""
    return [(name, name.replace("_", " ")) for name in UNITS]


def require_hours(hours: str) -> None:
    """Refuse what says no hours of the day."""
    try:
        minutes_of(hours)
    except InvalidHours as error:
        raise ValidationError(str(error)) from error


class AIModel(models.Model):
    """A model that work can run on: its provider, its tier, and whether its provider falls back to it."""

    slug = models.CharField("id", primary_key=True, max_length=80)
    name = models.CharField(max_length=120)
    provider = models.CharField(max_length=40)
    tier = models.CharField(max_length=10, choices=UsageProfile.Tier)
    is_fallback = models.BooleanField(
        default=False, help_text="Its provider's: used at a downgrade, and when the pool is empty."
    )
    input_includes_cached = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The provider's input count contains the cached tokens.",
    )
    output_includes_reasoning = models.BooleanField(
        default=True,
        db_default=True,
        help_text="The provider's output count contains the reasoning tokens.",
    )
    aliases = ArrayField(
        models.CharField(max_length=80),
        default=list,
        db_default=[],
        blank=True,
        help_text="What requests may call it besides. Dated snapshots of what the price list knows are known anyway.",
    )
    retired_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From then on no new work is admitted on it. Empty: it is not retired.",
    )

    history = History()

    class Meta:
        verbose_name = "AI model"
        constraints = [
            models.CheckConstraint(
                name="aimodel_tier_known",
                condition=Q(tier__in=["everyday", "advanced", "strategic"]),
            ),
            models.UniqueConstraint(
                fields=["provider"],
                condition=Q(is_fallback=True),
                name="aimodel_one_fallback_per_provider",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def is_retired(self, moment: datetime) -> bool:
        """Whether it does no new work at a moment any more."""
        return self.retired_at is not None and self.retired_at <= moment

    @property
    def retirement(self) -> str:
        """Since when it is retired, in words; nothing, where it is not."""
        return (
            ""
            if self.retired_at is None
            else f"{self.slug} was retired at {self.retired_at:%Y-%m-%d %H:%M} UTC"
        )


class PriceField(models.DecimalField):
    """Credits for many of a unit: an exact decimal, with the places of the lists that it comes from."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 34, "decimal_places": 20, **options})


class Rate(models.Model):
    """What one unit of a model costs from a moment on: for prompts from a length on, for a variant of the service, in hours of the day.

    All rates of a model with one `starts_at` are its card from then on. A rate without an amount is known to exist, and priced nowhere: work
    that would be charged by it is refused.
    """

    model = models.ForeignKey(
        AIModel, on_delete=models.PROTECT, related_name="rates", db_index=False
    )
    starts_at = models.DateTimeField()
    unit = models.CharField(max_length=40, choices=unit_choices)
    prompt_tokens_from = models.PositiveIntegerField(default=0)
    variant = models.CharField(max_length=40, blank=True, default="", db_default="")
    hours = models.CharField(
        max_length=11, blank=True, default="", db_default="", validators=[require_hours]
    )
    amount = PriceField(null=True, blank=True, help_text="Empty: work is refused.")
    at_least = models.PositiveIntegerField(default=0, db_default=0)

    history = History()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "starts_at", "unit", "variant", "hours", "prompt_tokens_from"],
                name="rate_one_per_step",
            ),
            models.CheckConstraint(name="rate_not_negative", condition=Q(amount__gte=0)),
            models.CheckConstraint(name="rate_of_a_unit", condition=~Q(unit="")),
        ]

    def __str__(self) -> str:
        said = [f"{self.model_id} from {self.starts_at:%Y-%m-%d}", self.unit]
        if self.prompt_tokens_from:
            said.append(f"from {self.prompt_tokens_from} tokens")
        said += [each for each in (self.variant, self.hours) if each]
        return ", ".join(said)

    @property
    def step(self) -> tuple[str, str, str, int]:
        """Which row of its card it is."""
        return self.unit, self.variant, self.hours, self.prompt_tokens_from


class MarkupRule(models.Model):
    """By what the prices of a card are multiplied from a moment on: of one model, of a provider's models, or of all."""

    provider = models.CharField(max_length=40, blank=True, default="", db_default="")
    model = models.ForeignKey(
        AIModel, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    starts_at = models.DateTimeField()
    factor = models.DecimalField(max_digits=10, decimal_places=6)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_factor_in_range",
                condition=Q(factor__gt=0, factor__lte=MAX_FACTOR),
                violation_error_message="A markup is above 0, and at most 1000. What is free has a rate of 0.",
            ),
            models.CheckConstraint(
                name="%(class)s_of_provider_or_model",
                condition=Q(provider="") | Q(model=None),
                violation_error_message="A markup is of a provider, of a model, or of all: not of two.",
            ),
        ]

    @property
    def scope(self) -> str:
        """Whose prices it is of, in words."""
        if self.model_id:
            return self.model_id
        return f"all of {self.provider}" if self.provider else "all models"


class Markup(MarkupRule):
    """A markup for everybody who has no price of their own."""

    history = History()

    class Meta(MarkupRule.Meta):
        constraints = [
            *MarkupRule.Meta.constraints,
            models.UniqueConstraint(
                fields=["provider", "model", "starts_at"],
                nulls_distinct=False,
                name="markup_one_per_moment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} from {self.starts_at:%Y-%m-%d}"


class CustomerPrice(MarkupRule):
    """An organization's own markup, instead of what is for everybody; its children's too, unless they have their own."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="customer_prices", db_index=False
    )

    history = History()

    class Meta(MarkupRule.Meta):
        constraints = [
            *MarkupRule.Meta.constraints,
            models.UniqueConstraint(
                fields=["organization", "provider", "model", "starts_at"],
                nulls_distinct=False,
                name="customerprice_one_per_moment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} for {self.organization_id} from {self.starts_at:%Y-%m-%d}"


class Thresholds(models.Model):
    """Numbers that change behaviour, against what an organization settled in the calendar month."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="thresholds"
    )
    downgrade = AmountField(
        null=True, blank=True, help_text="From here on the provider's fallback does the work."
    )
    shutoff = AmountField(null=True, blank=True, help_text="From here on nothing is admitted.")

    history = History(of_organization=True)

    class Meta:
        verbose_name_plural = "thresholds"
        constraints = [
            models.CheckConstraint(
                name="thresholds_not_negative", condition=Q(downgrade__gte=0, shutoff__gte=0)
            ),
            models.CheckConstraint(
                name="thresholds_downgrade_before_shutoff",
                condition=Q(downgrade__lte=F("shutoff")),
                violation_error_message="The downgrade threshold may not be above the shutoff.",
            ),
        ]

    def __str__(self) -> str:
        return f"Thresholds of {self.organization_id}"


class Limit(models.Model):
    """A cap per calendar month for one subject, or the default for those of its kind that have none.

    Null is no limit, 0 is nothing, no row is the default.
    """

    class Scope(models.TextChoices):
        ACTOR = "actor"
        GROUP = "group"
        RESOURCE = "resource"
        ACTOR_DEFAULT = "actor_default"
        TEAM_DEFAULT = "team_default"
        ENTITY_DEFAULT = "entity_default"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="limits", db_index=False
    )
    scope = models.CharField(max_length=14, choices=Scope)
    actor = models.ForeignKey(
        Actor, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    resource_type = models.CharField(max_length=20, blank=True, default="")
    resource_id = models.CharField(max_length=128, blank=True, default="")
    cap = AmountField(null=True, blank=True, help_text="Empty: no limit. 0: nothing.")
    slug = models.CharField(max_length=80, null=True, blank=True)
    owner_id = models.CharField(max_length=128, null=True, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    history = History(of_organization=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "scope", "actor", "group", "resource_type", "resource_id"],
                nulls_distinct=False,
                name="limit_one_per_subject",
            ),
            models.CheckConstraint(
                name="limit_subject_fits_its_scope",
                condition=(
                    Q(scope="actor", actor__isnull=False, group=None, resource_type="")
                    | Q(scope="group", actor=None, group__isnull=False, resource_type="")
                    | (Q(scope="resource", actor=None, group=None) & ~Q(resource_type=""))
                    | Q(
                        scope__in=["actor_default", "team_default", "entity_default"],
                        actor=None,
                        group=None,
                        resource_type="",
                    )
                ),
            ),
            models.CheckConstraint(
                name="limit_resource_as_a_whole",
                condition=Q(resource_type="", resource_id="")
                | (~Q(resource_type="") & ~Q(resource_id="")),
            ),
            models.CheckConstraint(name="limit_cap_not_negative", condition=Q(cap__gte=0)),
        ]
        indexes = [
            models.Index(
                fields=["organization", "created_at", "id"],
                name="limit_capped_budgets",
                condition=Q(scope="resource", cap__isnull=False),
            )
        ]

    def __str__(self) -> str:
        cap = "no limit" if self.cap is None else f"{self.cap.normalize():f}"
        return f"{self.get_scope_display()}: {cap}"


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
            models.CheckConstraint(
                name="usageevent_credits_not_negative",
                condition=Q(credits__gte=0)
                | Q(source__in=["forgiven", "correction", "refund"], credits__lt=0),
            ),
            models.CheckConstraint(
                name="usageevent_corrects_by_source",
                condition=Q(
                    source__in=["correction", "refund"], corrects__isnull=False, credits__lt=0
                )
                | Q(source="rerated", corrects__isnull=False)
                | (~Q(source__in=["correction", "rerated", "refund"]) & Q(corrects__isnull=True)),
            ),
            models.UniqueConstraint(
                fields=["corrects", "source"],
                condition=Q(corrects__isnull=False) & ~Q(source="refund"),
                name="usageevent_corrected_once",
            ),
            models.CheckConstraint(
                name="usageevent_byok_is_free", condition=Q(byok=False) | Q(credits=0)
            ),
            models.CheckConstraint(
                name="usageevent_history_counts_nowhere",
                condition=Q(charged=True)
                | Q(
                    entry=None,
                    reservation=None,
                    corrects=None,
                    byok=False,
                    counter_ids__len=0,
                ),
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


class UsageRollup(models.Model):
    """What events add up to in a day, for the reports: of one model, actor, work type and resource.

    A worker keeps it; what it has not reached yet is added on reading (`RollupMark`).
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="rollups", db_index=False
    )
    day = models.DateField()
    work_type = models.CharField(max_length=20)
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    model = models.ForeignKey(
        AIModel, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    credits = AmountField()
    events = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "organization",
                    "day",
                    "work_type",
                    "resource_type",
                    "resource_id",
                    "model",
                    "actor",
                ],
                nulls_distinct=False,
                name="usagerollup_one_per_day",
            )
        ]
        indexes = [models.Index(fields=["day"], name="usagerollup_of_day")]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}: {self.credits.normalize():f}"


class UsageTotal(models.Model):
    """What rollups add up to, for reports that ask for less: a kind of work, or a resource, or an actor, in a day or a month.

    An organization has a rollup for nearly every piece of work if its people and resources are many. Of these there are as many as it has
    resources and people. They are written with the rollups, and count as far as these, whose actors are theirs.
    """

    class Of(models.TextChoices):
        WORK = "work"
        RESOURCE = "resource"
        ACTOR = "actor"

    class Span(models.TextChoices):
        DAY = "day"
        MONTH = "month"

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="usage_totals", db_index=False
    )
    of = models.CharField(max_length=8, choices=Of)
    span = models.CharField(max_length=5, choices=Span)
    starts_on = models.DateField()
    work_type = models.CharField(max_length=20, default="")
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    actor = models.ForeignKey(
        Actor,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    credits = AmountField()
    events = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "organization",
                    "of",
                    "span",
                    "starts_on",
                    "work_type",
                    "resource_type",
                    "resource_id",
                    "actor",
                ],
                nulls_distinct=False,
                name="usagetotal_one_per_span",
            )
        ]

    def __str__(self) -> str:
        return f"{self.of} in the {self.span} of {self.starts_on}: {self.credits.normalize():f}"


class MonthlyUse(models.Model):
    """What an organization used in a month, or one of its people: on all models, and on each. By these, who used most of all is found.

    The worker writes them with the rollups, and they count as far as these.
    """

    class Of(models.TextChoices):
        ORGANIZATION = "organization"
        PERSON = "person"

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    month = models.DateField()
    of = models.CharField(max_length=12, choices=Of)
    is_whole = models.BooleanField()
    """On all models together: then it names none."""
    model = models.ForeignKey(
        AIModel,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    actor = models.ForeignKey(
        Actor,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    credits = AmountField()
    events = models.BigIntegerField()

    class Meta:
        verbose_name = "use of a month"
        verbose_name_plural = "who used most"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "month", "of", "is_whole", "actor", "model"],
                nulls_distinct=False,
                name="monthlyuse_one_of_each",
            )
        ]
        indexes = [
            models.Index(
                fields=["month", "of", "is_whole", "model", "-credits", "-id"],
                name="monthlyuse_most_credits",
            ),
            models.Index(
                fields=["month", "of", "is_whole", "model", "-events", "-id"],
                name="monthlyuse_most_work",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.of} in {self.month:%B %Y}: {self.credits.normalize():f}"


class DailyUse(models.Model):
    """What all live organizations together used on a day, on one model: for the first page, which could not add up everybody's.

    The worker writes a day as a whole, and the last sixty of them again and again. It is of no organization.
    """

    day = models.DateField()
    model = models.ForeignKey(
        AIModel,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    credits = AmountField()
    events = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "model"], nulls_distinct=False, name="dailyuse_one_per_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}: {self.credits.normalize():f}"


class Vitals(models.Model):
    """What tells of an organization whether somebody should look at it, as the worker measured it last: by its indexes, those are found
    among ever so many. There is a row for each that is live and active."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="vitals"
    )
    week = AmountField(default=ZERO)
    """What it used in the last seven whole days,"""
    week_before = AmountField(default=ZERO)
    """in the seven before those,"""
    change = AmountField(default=ZERO)
    """and the difference."""
    cap_share = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    """What is used and reserved of its cap, 1 for all of it; null without a cap."""
    dry_at = models.DateTimeField(null=True)
    """When nothing is left at the pace of the last fourteen whole days, if that is within a week, and nothing comes before."""
    debt = AmountField(default=ZERO)
    refused = models.BigIntegerField(default=0)
    """How many requests, in 24 hours."""
    ending = AmountField(default=ZERO)
    """What ends within two weeks of grants that do not come again with the term,"""
    ends_at = models.DateTimeField(null=True)
    """and when the first of it does."""

    class Meta:
        verbose_name_plural = "vitals"
        indexes = [
            models.Index(
                fields=["-cap_share"],
                name="vitals_near_cap",
                condition=Q(cap_share__gte=Decimal("0.8")),
            ),
            models.Index(fields=["dry_at"], name="vitals_dry", condition=Q(dry_at__isnull=False)),
            models.Index(fields=["-debt"], name="vitals_in_debt", condition=Q(debt__gt=0)),
            models.Index(fields=["-refused"], name="vitals_refused", condition=Q(refused__gt=0)),
            models.Index(
                fields=["ends_at"], name="vitals_ending", condition=Q(ends_at__isnull=False)
            ),
            models.Index(fields=["change"], name="vitals_movers"),
        ]

    def __str__(self) -> str:
        return f"Vitals of {self.organization_id}"


class Stock(models.Model):
    """What all live organizations together have, as the worker counted it last: one row."""

    id = models.BigIntegerField(primary_key=True, default=1)
    taken_at = models.DateTimeField()
    held = AmountField()
    """Of all balances above zero."""
    debt = AmountField()
    reserved = AmountField()
    open_holds = models.BigIntegerField()
    active = models.BigIntegerField()
    suspended = models.BigIntegerField()
    archived = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(name="stock_is_one_row", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"Stock of {self.taken_at:%Y-%m-%d %H:%M:%S}"


class RollupMark(models.Model):
    """Up to which of an organization's events its rollups count."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="rollup_mark"
    )
    position = models.BigIntegerField(default=0)
    rolled_up_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.organization_id} up to {self.position}"


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
        return f"{self.reason}: {self.message}"


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


class AcceptedDifference(models.Model):
    """A price that the public list says otherwise, and somebody of the staff said that this is meant: while both sides stay as they were."""

    model = models.ForeignKey(
        AIModel, on_delete=models.PROTECT, related_name="accepted_differences", db_index=False
    )
    unit = models.CharField(max_length=40)
    variant = models.CharField(max_length=40, blank=True, default="", db_default="")
    hours = models.CharField(max_length=11, blank=True, default="", db_default="")
    prompt_tokens_from = models.PositiveIntegerField(default=0, db_default=0)
    own = PriceField()
    listed = PriceField()
    reason = models.CharField(max_length=300)
    accepted_by = models.CharField(max_length=150)
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "unit", "variant", "hours", "prompt_tokens_from"],
                name="accepteddifference_one_per_step",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model_id}, {self.unit}: {self.own.normalize():f}, not {self.listed.normalize():f}"

    @property
    def step(self) -> tuple[str, str, str, int]:
        """Which price of a card it is."""
        return self.unit, self.variant, self.hours, self.prompt_tokens_from


class PriceProposal(models.Model):
    """A change of prices that is too much for one person: it waits for another to do it or to refuse it.

    A trigger keeps everything but the decision, and the decision once it is made. It is of the catalogue's making, and belongs to nobody.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    action = models.CharField(max_length=40)
    payload = models.JSONField()
    """All that is to be written, as its action reads it."""
    digest = models.CharField(max_length=64)
    """SHA-256 of action and payload: what is approved is what was proposed."""
    subject = models.CharField(max_length=200)
    """What it changes, in words."""
    effect = models.CharField(max_length=300)
    """How much that was when it was proposed, in words."""
    reason = models.CharField(max_length=300)
    proposed_by = models.CharField(max_length=150)
    """The name of who did, by which people log in."""
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    decided_by = models.CharField(max_length=150, null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="priceproposal_state_known",
                condition=Q(state__in=["waiting", "approved", "refused"]),
            ),
            models.CheckConstraint(
                name="priceproposal_decided_or_waiting",
                condition=Q(state="waiting", decided_by=None, decided_at=None)
                | (~Q(state="waiting") & Q(decided_by__isnull=False, decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="priceproposal_approved_by_another",
                condition=~Q(state="approved") | ~Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="priceproposal_approved_in_time",
                condition=~Q(state="approved") | Q(decided_at__lt=F("expires_at")),
            ),
            models.CheckConstraint(
                name="priceproposal_expires_later", condition=Q(expires_at__gt=F("proposed_at"))
            ),
        ]

    def __str__(self) -> str:
        return self.subject
