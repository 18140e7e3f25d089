"""How customers stand, measured now and then for who watches over them."""

from django.db import models
from django.db.models import Q

from credits.models import ZERO, AmountField
from organizations.models import Organization


class Vitals(models.Model):
    """What tells of an organization whether somebody should look at it, as the worker measured it last: by its indexes, those are found
    among ever so many. There is a row for each that is live and active. What is worth an alert here has one that is open, and the other way
    round: `usage.services.vitals` writes both."""

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
    """What is settled of its cap in the running period, 1 for all of it; null without a cap."""
    near_cap = models.IntegerField(default=0, db_default=0)
    """The highest percentage of the cap that is reached, of those that are worth an alert there; 0 where none is."""
    capped_at = models.DateTimeField(null=True)
    """When the cap is likely reached, if that is soon enough for an alert, and before it resets."""
    dry = models.SmallIntegerField(default=0, db_default=0)
    """Whether work is likely refused for want of credits soon enough for an alert: 1 if it is, 2 where it is so now."""
    dry_at = models.DateTimeField(null=True)
    """When it likely is, if that is within a week, or within what an alert asks for."""
    debt = AmountField(default=ZERO)
    in_debt = models.SmallIntegerField(default=0, db_default=0)
    """Whether the debt is worth an alert: 1 if it is, 2 where it is beyond the overdraft."""
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
                condition=Q(near_cap__gt=0),
            ),
            models.Index(
                fields=["capped_at"], name="vitals_capped", condition=Q(capped_at__isnull=False)
            ),
            models.Index(fields=["dry_at"], name="vitals_dry", condition=Q(dry__gt=0)),
            models.Index(fields=["-debt"], name="vitals_in_debt", condition=Q(in_debt__gt=0)),
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
