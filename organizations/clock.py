"""What time it is: the database server's clock, so that all machines agree on which side of a boundary they are.

A web server or a worker whose own clock is 90 seconds ahead would open a billing period before it begins, and one whose clock jumps a
year would renew twelve terms. So a process asks the database once a minute and carries the answer on by a clock that only counts
(seconds since the machine started); the lookup of an API key brings the answer along, so that a request need not ask. A leap of the database's own clock, by more than a day against that count, is not believed: the
count goes on, and `doubt` says so until the leap is undone or the process is started again.
"""

import logging
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from organizations import statements

logger = logging.getLogger(__name__)
VALID_SECONDS = 60.0
HEARD_EVERY_SECONDS = 30.0
"""How old what we know must be before what a statement brings along is heard: sooner than it would be asked for."""
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
        if self._is_older_than(VALID_SECONDS):
            self._ask()
        return self.reckon()

    def reckon(self) -> datetime:
        """Return the present moment by what is known, however old that is: asked for only if nothing is.

        :raises django.db.Error: if the database does not answer and never did
        """
        if self.last is None:
            self._ask()
        assert self.last is not None
        return self.last.moment + timedelta(seconds=seconds_counted() - self.last.counted)

    def hear(self, moment: datetime) -> None:
        """Take in what a statement that was just answered says of the database's clock, if it is time to."""
        if self._is_older_than(HEARD_EVERY_SECONDS):
            self._take(moment)

    def _is_older_than(self, seconds: float) -> bool:
        return self.last is None or not 0 <= seconds_counted() - self.asked_at < seconds

    def _ask(self) -> None:
        before = seconds_counted()
        try:
            moment = database_time()
        except DatabaseError:
            if self.last is None:
                raise
            self.asked_at = before
            return
        self._take(moment)

    def _take(self, moment: datetime) -> None:
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
    row = statements.read_one("SELECT clock_timestamp()")
    assert row is not None
    moment: datetime = row[0]
    return moment.astimezone(UTC)


clock = Clock()


def now() -> datetime:
    """Return the present moment, in UTC: the only clock of the doors.

    :raises django.db.Error: if the database does not answer and never did
    """
    return clock.now() if settings.CLOCK == "database" else timezone.now()


def reckoned() -> datetime:
    """Return the present moment as far as it is known without asking: for the statement that brings the database's answer along."""
    return clock.reckon() if settings.CLOCK == "database" else timezone.now()


def heard(moment: datetime) -> None:
    """Take in what a statement that was just answered says of the database's clock."""
    if settings.CLOCK == "database":
        clock.hear(moment.astimezone(UTC))
