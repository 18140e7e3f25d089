"""What can be bought, and for what: AI models, their dated rates, markups for everybody and for a customer."""

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from organizations.history import History
from organizations.models import Organization, Proposed, UsageProfile
from usage.hours import InvalidHours, minutes_of
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

    history = History(of_organization=True)

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


class PriceProposal(Proposed):
    """A change of prices that is too much for one person. It is of the catalogue's making, and belongs to nobody."""

    subject = models.CharField(max_length=200)
    """What it changes, in words."""
    effect = models.CharField(max_length=300)
    """How much that was when it was proposed, in words."""

    class Meta(Proposed.Meta):
        constraints = [
            *Proposed.Meta.constraints,
            models.CheckConstraint(
                name="priceproposal_state_known",
                condition=Q(state__in=["waiting", "approved", "refused"]),
            ),
        ]

    def __str__(self) -> str:
        return self.subject
