"""What time it is: the database server's clock, so that all machines agree on which side of a boundary they are.

A web server or a worker whose own clock is 90 seconds ahead would open a billing period before it begins, and one whose clock jumps a
year would renew twelve terms. So a process asks the database once a minute and carries the answer on by a clock that only counts
(seconds since the machine started). A leap of the database's own clock, by more than a day against that count, is not believed: the
count goes on, and `doubt` says so until the leap is undone or the process is started again.
"""

import logging
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

logger = logging.getLogger(__name__)
VALID_SECONDS = 60.0
BELIEVED_LEAP = timedelta(days=1)


class Reading(NamedTuple):
    """What the database's clock said, and what the counter stood at."""

    moment: datetime
    counted: float


class Clock:
    """The clock of one process. Shared by its threads: to set it twice does no harm."""

    def __init__(self) -> None:
        self.last: Reading | None = None
        self.asked_at = 0.0
        self.doubt: timedelta | None = None
        """By how much the database's clock has leapt, if we do not believe it."""

    def now(self) -> datetime:
        """Return the present moment, in UTC.

        :raises django.db.Error: if the database does not answer and never did
        """
        counted = seconds_counted()
        if self.last is None or not 0 <= counted - self.asked_at < VALID_SECONDS:
            self._ask()
            counted = seconds_counted()
        assert self.last is not None
        return self.last.moment + timedelta(seconds=counted - self.last.counted)

    def _ask(self) -> None:
        before = seconds_counted()
        try:
            moment = database_time()
        except DatabaseError:
            if self.last is None:
                raise
            self.asked_at = before
            return
        # The answer is of a moment before now, however long it took to connect or to be answered: so we are never ahead.
        counted = seconds_counted()
        self.asked_at = counted
        leap = self._leap(Reading(moment, counted))
        self.doubt = leap if abs(leap) > BELIEVED_LEAP else None
        if self.doubt is None:
            self.last = Reading(moment, counted)
        else:
            logger.error("the database's clock has leapt by %s: not believed until a restart", leap)

    def _leap(self, asked: Reading) -> timedelta:
        if self.last is None:
            return timedelta()
        passed = timedelta(seconds=asked.counted - self.last.counted)
        return asked.moment - (self.last.moment + passed)


def seconds_counted() -> float:
    """Return the seconds since the machine started, those that it slept included where the system can tell."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def database_time() -> datetime:
    """Ask the database server what time it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    assert isinstance(moment, datetime)
    return moment.astimezone(UTC)


clock = Clock()


def now() -> datetime:
    """Return the present moment, in UTC: the only clock of the doors.

    :raises django.db.Error: if the database does not answer and never did
    """
    return clock.now() if settings.CLOCK == "database" else timezone.now()
