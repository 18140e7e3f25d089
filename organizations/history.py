"""Who changes a row, and when: what its history keeps beside what was there before and after."""

from collections.abc import Sequence
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.db.models.deletion import Collector

LENGTH = 100
"""How much of a name fits beside a change."""
UNSAID = "shell"
"""Who changes something through no door: a shell, or a script."""


def sign(row: Model, *, performed_by: str, now: datetime | None = None) -> None:
    """Say who makes the next change of a row. A name is text: it stays when whoever bore it is gone.

    :param now: when, where that is a moment of the service's and not that of the history
    """
    vars(row)["_change_reason"] = performed_by[:LENGTH]
    if now is not None:
        vars(row)["_history_date"] = now


def delete_signed(rows: Sequence[Model], *, performed_by: str, now: datetime | None = None) -> None:
    """Delete rows of one kind by one statement, and say who did. `QuerySet.delete` would read rows of its own, which nobody signed."""
    for row in rows:
        sign(row, performed_by=performed_by, now=now)
    if rows:
        collector = Collector(using=DEFAULT_DB_ALIAS)
        collector.collect(rows)
        collector.delete()
