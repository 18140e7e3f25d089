"""What was used, added up from events: by the hour, by the day, by the month."""

from django.db import models

from credits.models import AmountField
from organizations.models import Actor, Organization
from usage.models.prices import AIModel


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


class RollupMark(models.Model):
    """Up to which of an organization's events its rollups count."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="rollup_mark"
    )
    position = models.BigIntegerField(default=0)
    rolled_up_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.organization_id} up to {self.position}"
