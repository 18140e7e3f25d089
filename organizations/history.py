"""Who changes a row, and when: what its history keeps beside what was there before and after."""

from datetime import datetime

from django.db.models import Model

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
