"""Moments as text: any of RFC 3339 is read, in any offset; milliseconds in UTC are written. Pure: no Django.

A window of time is half-open, `[since, until)`, wherever no contract says otherwise: windows that follow each other have each moment once.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)
ZULU = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):(\d\d)(?:\.(\d+))?(Z)", re.ASCII)
"""With Z alone, which one of the contracts wants."""
LONGEST = 100
"""How many characters a moment may have: fractions have no end of their own."""
_SECOND = timedelta(seconds=1)


class NoMoment(Exception):
    """A text is no moment, or one that no calendar here has."""


def read(text: Any, *, form: re.Pattern[str] = RFC_3339) -> datetime:
    """Return the moment that a text says, in UTC. What is finer than a microsecond is cut off.

    :raises NoMoment: if it does not have this form, or there is no such moment
    """
    found = form.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
    if found is None:
        raise NoMoment
    day, minute, second, fraction, offset = found.groups()
    leaps = second == "60"
    whole = f"{day}T{minute}:{'59' if leaps else second}.{fraction or '':0<6.6}{offset.upper()}"
    try:
        moment = datetime.fromisoformat(whole).astimezone(UTC)
        return _after_leap(moment) if leaps else moment
    except (ValueError, OverflowError) as error:
        raise NoMoment from error


def write(moment: datetime) -> str:
    """Return a moment as it is told: `2026-04-01T00:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _after_leap(moment: datetime) -> datetime:
    """Return what comes after a leap second, which no clock here has. There is one at the end of a month alone.

    :raises NoMoment: if there was none
    """
    after = moment.replace(microsecond=0) + _SECOND
    if (after.day, after.hour, after.minute, after.second) != (1, 0, 0, 0):
        raise NoMoment
    return after
