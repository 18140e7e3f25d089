"""Hours of the day in which a price holds, like `00:30-16:30`: from the first minute until before the last, in UTC, perhaps over midnight. Pure."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY = timedelta(days=1)


class InvalidHours(ValueError):
    """The text says no hours of the day."""


@lru_cache(maxsize=1_000)
def minutes_of(hours: str) -> tuple[int, int]:
    """Return the minutes of the day from which and until before which hours are.

    :raises InvalidHours: if the text says none
    """
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise InvalidHours(f"{hours}: hours are written like 16:30-00:30, in UTC")
    from_hour, from_minute, to_hour, to_minute = map(int, found.groups())
    begin, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if begin == end:
        raise InvalidHours(f"{hours}: they end where they begin")
    return begin, end


def is_within(hours: str, moment: datetime) -> bool:
    """Whether a moment is in these hours."""
    begin, end = minutes_of(hours)
    local = moment.astimezone(UTC)
    minute = local.hour * 60 + local.minute
    if end < begin:
        return minute >= begin or minute < end
    return begin <= minute < end


def next_edge(hours: str, moment: datetime) -> datetime:
    """Return the first moment after this one at which the hours begin or end."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [midnight + timedelta(minutes=minute) for minute in minutes_of(hours)]
    return min(edge if edge > moment else edge + _DAY for edge in edges)
