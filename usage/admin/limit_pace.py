"""When a person or a shared budget reaches its limit, as a card on their page."""

from datetime import datetime

from organizations.models import Actor, Group
from usage.services.limit_forecasts import LimitOutlook, limit_of
from usage.services.rollups import RollupsBehind


def limit_pace(whose: Actor | Group, *, now: datetime) -> LimitOutlook | None:
    """Return when they reach their limit; None as long as so much work is not added up that reading it would take long."""
    try:
        return limit_of(whose, now=now)
    except RollupsBehind:
        return None
