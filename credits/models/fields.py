"""What the tables of this app are made of: exact amounts, and words that are on a list."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

from organizations.models.rules import rules as rules

ZERO = Decimal(0)
MAX_AMOUNT = Decimal(10) ** 13
"""The largest amount any one command may name."""


class AmountField(models.DecimalField):
    """Credits: an exact decimal with six places."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 24, "decimal_places": 6, **options})


def known(name: str, field: str, values: Iterable[str]) -> models.CheckConstraint:
    """Return the constraint that `field` says one of `values`."""
    return models.CheckConstraint(name=name, condition=Q(**{f"{field}__in": list(values)}))
