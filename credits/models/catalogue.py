"""What is the same for every organization: at which version models, their prices and the system's usage profiles are, and what a credit is."""

from decimal import Decimal

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q


class Catalogue(models.Model):
    """One row that says at which version the catalogue is, which triggers write, whoever edits the catalogue; and what a credit is."""

    THE_ONE = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ONE, editable=False)
    version = models.UUIDField(db_default=RandomUUID(), editable=False)
    credit_usd = models.DecimalField(
        max_digits=14, decimal_places=10, default=Decimal("0.01"), db_default=Decimal("0.01")
    )
    """How many US dollars a credit stands for: prices that are kept in dollars become credits by it."""

    class Meta:
        verbose_name_plural = "catalogue"
        constraints = [
            models.CheckConstraint(name="catalogue_is_one_row", condition=Q(id=1)),
            models.CheckConstraint(
                name="catalogue_credit_is_worth_something",
                condition=Q(credit_usd__gt=0, credit_usd__lte=1_000),
            ),
        ]

    def __str__(self) -> str:
        return str(self.version)
