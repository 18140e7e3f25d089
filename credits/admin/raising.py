"""How much somebody raised a rule of late, in credits: what is too much for one person alone waits for another, like money that is moved.

Counted from the value of a day ago, or from what somebody else set since: a raise cannot be cut into pieces that are small enough.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from credits.models import MAX_AMOUNT, ZERO
from organizations.history import LENGTH
from organizations.proposals import WINDOW, Moved


def raised(
    history: Any,
    field: str,
    value: Decimal | None,
    *,
    author: str,
    now: datetime,
    without: Decimal | None = ZERO,
) -> Moved:
    """Return how much somebody raised a field to get to a value, in the last day.

    :param history: the rows of one rule's history
    :param value: null is no limit
    :param author: as histories name them
    :param without: what holds where the rule is not older than that
    """
    row = _before(history, author[:LENGTH], now)
    base = _amount(without if row is None else getattr(row, field))
    return Moved(brought=max(ZERO, _amount(value) - base))


def _before(history: Any, author: str, now: datetime) -> Any:
    newest = history.order_by("-history_date", "-history_id")
    lately = newest.filter(history_date__gt=now - WINDOW)
    by_another = lately.exclude(history_change_reason=author).first()
    return by_another or newest.filter(history_date__lte=now - WINDOW).first()


def _amount(value: Decimal | None) -> Decimal:
    return MAX_AMOUNT if value is None else value
