"""What time it is: the database server's clock, so that all machines agree on which side of a boundary they are.

A web server or a worker whose own clock is 90 seconds ahead would open a billing period before it begins, and one whose clock jumps a
year would renew twelve terms. So a process asks the database once a minute and carries the answer on by a clock that only counts
(seconds since the machine started); the lookup of an API key brings the answer along, so that a request need not ask.

Nor is the database's clock believed alone. Where it says a minute more or less than what was counted, the count goes on, and `doubt` says
so: until the clocks agree again, or somebody decides (`manage.py believe_clock`). What the workers count they keep in the database
(`ClockMark`), and a process that begins counts on from there, so it believes no leap that the others do not; if none of them was there
for a while, the database's clock is believed if the machine's own tells about the same. What a process tells never goes backwards.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from organizations import statements

logger = logging.getLogger(__name__)
VALID_SECONDS = 60.0
HEARD_EVERY_SECONDS = 30.0
"""How old what we know must be before what a statement brings along is heard: sooner than it would be asked for."""
ROUND_TRIP_SECONDS = 0.25
"""How long an answer may take: it is of a moment somewhere in between, so we are behind by no more than this."""
TRIES = 3
BELIEVED_LEAP = timedelta(minutes=1)
"""By how much the database's clock may differ from what was counted."""
SILENCE = timedelta(minutes=5)
"""How old by the database's clock the last mark may be if there is still somebody who counts: workers keep it with every ring."""
ABOUT_THE_SAME = timedelta(minutes=15)
"""By how much a machine's own clock may be off and still be a witness: no zone is off by so little."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Reading(NamedTuple):
    """What the database's clock said, and what the counter stood at."""

    moment: datetime
    counted: float

    def at(self, counted: float) -> datetime:
        """Return the moment at which the counter stands there."""
        return self.moment + timedelta(seconds=counted - self.counted)


class Mark(NamedTuple):
    """What time the workers counted it to be, and what the database's clock said at that moment."""

    believed_at: datetime
    said_at: datetime
    counted: float
    machine: str
    """Whose counter that is: one machine's, from its start to its end."""
    decisions: int
    """How often somebody decided that the database's clock is right."""

    def carried_on(self, asked: Reading) -> Reading | None:
        """Return what it comes to now, if there is anything to carry it on by."""
        if self.machine and self.machine == machine():
            return Reading(self.believed_at, self.counted)
        since = asked.moment - self.said_at
        if timedelta() <= since <= SILENCE:
            return Reading(self.believed_at + since, asked.counted)
        return None


def _no_mark() -> Mark | None:
    return None


class Clock:
    """The clock of one process. Shared by its threads: to set it twice does no harm.

    :param last_mark: reads what the workers counted
    """

    def __init__(self, last_mark: Callable[[], Mark | None] = _no_mark) -> None:
        self.last: Reading | None = None
        self.asked_at = 0.0
        self.doubt: timedelta | None = None
        """By how much the database's clock has leapt, if we do not believe it."""
        self.is_counting = False
        """Whether `last` was believed when it was said, so that we can tell a leap from a long silence."""
        self.decisions = 0
        """How many there had been when our doubt began."""
        self._last_mark = last_mark
        self._told: datetime | None = None
        self._one_at_a_time = threading.Lock()

    def now(self) -> datetime:
        """Return the present moment, in UTC.

        :raises django.db.Error: if the database does not answer and never did
        """
        if self.is_due:
            self._ask()
        return self.reckon()

    @property
    def is_due(self) -> bool:
        """Whether `now` asks."""
        return self._is_older_than(VALID_SECONDS)

    def reckon(self) -> datetime:
        """Return the present moment by what is known, however old that is: asked for only if nothing is.

        :raises django.db.Error: if the database does not answer and never did
        """
        if self.last is None:
            self._ask()
        assert self.last is not None
        with self._one_at_a_time:
            moment = self.last.at(seconds_counted())
            # Where it was corrected backwards it stands until that moment is there.
            if self._told is None or moment > self._told:
                self._told = moment
            return self._told

    def hear(self, moment: datetime, *, since: float) -> None:
        """Take in what a statement that was just answered says of the database's clock, if it is time to. One that took long, to connect
        perhaps, tells too little, and one that differs has to be looked into: then the next question is the database's.

        :param since: where the counter stood before it was sent
        """
        heard = Reading(moment, seconds_counted())
        took_long = heard.counted - since > ROUND_TRIP_SECONDS
        if self._is_older_than(HEARD_EVERY_SECONDS) and not took_long and self._agrees(heard):
            self._believe(heard)

    def _is_older_than(self, seconds: float) -> bool:
        return self.last is None or not 0 <= seconds_counted() - self.asked_at < seconds

    def _ask(self) -> None:
        before = seconds_counted()
        try:
            self._judge(_measured())
        except DatabaseError:
            if self.last is None:
                raise
            self.asked_at = before

    def _judge(self, asked: Reading) -> None:
        """Believe what was asked, or go on with what is counted."""
        if self._agrees(asked):
            self._believe(asked)
            return
        mark = self._last_mark()
        if self._was_decided(mark):
            self._told = None
            self._believe(asked)
        elif self.is_counting:
            self._doubt(asked, mark)
        else:
            self._begin(asked, mark)

    def _agrees(self, asked: Reading) -> bool:
        return self.last is not None and abs(self._leap(asked)) <= BELIEVED_LEAP

    def _leap(self, asked: Reading) -> timedelta:
        assert self.last is not None
        return asked.moment - self.last.at(asked.counted)

    def _was_decided(self, mark: Mark | None) -> bool:
        return self.doubt is not None and mark is not None and mark.decisions > self.decisions

    def _begin(self, asked: Reading, mark: Mark | None) -> None:
        """Find out what time it is for a process that has not counted yet."""
        if mark is None:
            self._believe(asked)
            return
        carried_on = mark.carried_on(asked)
        if carried_on is not None:
            self.last, self.is_counting = carried_on, True
        elif _is_witnessed(asked, mark):
            self.last = asked
        elif self.last is None:
            # Behind is safe: nothing is opened or lapses too early.
            self.last = Reading(mark.believed_at, asked.counted)
        if self._agrees(asked):
            self._believe(asked)
        else:
            self._doubt(asked, mark)

    def _believe(self, asked: Reading) -> None:
        self.last, self.asked_at = asked, asked.counted
        self.is_counting, self.doubt = True, None

    def _doubt(self, asked: Reading, mark: Mark | None) -> None:
        if self.doubt is None:
            self.decisions = mark.decisions if mark else 0
        self.asked_at, self.doubt = asked.counted, self._leap(asked)
        logger.error(
            "the database's clock has leapt by %s: not believed, it is counted on", self.doubt
        )


def _is_witnessed(asked: Reading, mark: Mark) -> bool:
    """Whether the database's clock may be believed although nobody was there to count: time went on, and the machine's own clock says so too."""
    went_on = asked.moment >= mark.believed_at - BELIEVED_LEAP
    return went_on and abs(machine_time() - asked.moment) <= ABOUT_THE_SAME


def _measured() -> Reading:
    """Ask what time it is, again if the answer takes long; return the one that took shortest."""
    shortest, best = float("inf"), None
    for _ in range(TRIES):
        before = seconds_counted()
        moment = database_time()
        # The answer is of a moment before now: so we are never ahead.
        after = seconds_counted()
        if after - before < shortest:
            shortest, best = after - before, Reading(moment, after)
        if shortest <= ROUND_TRIP_SECONDS:
            break
    assert best is not None
    return best


def seconds_counted() -> float:
    """Return the seconds since the machine started, those that it slept included where the system can tell."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # where `time.monotonic` leaves out sleep
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


@cache
def machine() -> str:
    """Return whose seconds are counted: a machine, from its start to its end. Empty where the system does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def machine_time() -> datetime:
    """Return what this machine's own clock says."""
    return timezone.now()


def database_time() -> datetime:
    """Ask the database server what time it is."""
    # Not in the time that is measured, but for once where a connection broke.
    connection.ensure_connection()
    row = statements.read_one("SELECT clock_timestamp()")
    assert row is not None
    moment: datetime = row[0]
    return moment.astimezone(UTC)


def last_mark() -> Mark | None:
    """Return what time the workers last counted it to be."""
    row = statements.read_one(
        "SELECT believed_at, said_at, counted, machine, decisions FROM organizations_clockmark"
    )
    return None if row is None else Mark(*row)


clock = Clock(last_mark)


def now() -> datetime:
    """Return the present moment, in UTC: the only clock of the doors.

    :raises django.db.Error: if the database does not answer and never did
    """
    return clock.now() if settings.CLOCK == "database" else timezone.now()


def reckoned() -> datetime:
    """Return the present moment as far as it is known without asking: for the statement that brings the database's answer along."""
    return clock.reckon() if settings.CLOCK == "database" else timezone.now()


def is_due() -> bool:
    """Whether the next question what time it is goes to the database: what is known is as old as it may be."""
    return settings.CLOCK == "database" and clock.is_due


def heard(moment: datetime, *, since: float) -> None:
    """Take in what a statement that was just answered says of the database's clock.

    :param since: `seconds_counted` before it was sent
    """
    if settings.CLOCK == "database":
        clock.hear(moment.astimezone(UTC), since=since)


def doubt() -> timedelta | None:
    """Return by how much the database's clock differs from what is counted, if it is not believed."""
    if settings.CLOCK != "database":
        return None
    clock.now()
    return clock.doubt


def keep() -> None:
    """Keep what is counted, for the processes that begin later. What rings for the calendar does, so that no request has to."""
    if settings.CLOCK == "database":
        moment = clock.now()
        if clock.is_counting:
            decisions = None if clock.doubt is None else clock.decisions
            statements.fetch_one(
                _KEEP, [moment, seconds_counted(), machine(), decisions, decisions]
            )


def decide() -> Mark:
    """Keep that the database's clock is right as it is now: whoever doubts it asks within a minute, and believes it."""
    row = statements.fetch_one(_DECIDE, [seconds_counted(), machine()])
    assert row is not None
    return Mark(*row)


_KEEP = """
INSERT INTO organizations_clockmark AS kept (id, believed_at, said_at, counted, machine, decisions)
VALUES (1, %s, clock_timestamp(), %s, %s, 0)
ON CONFLICT (id) DO UPDATE SET
    believed_at = excluded.believed_at, said_at = excluded.said_at, counted = excluded.counted, machine = excluded.machine
    WHERE %s::int IS NULL OR kept.decisions = %s
RETURNING id
"""
"""Whoever has not heard of a decision yet does not write over it."""
_DECIDE = """
INSERT INTO organizations_clockmark AS kept (id, believed_at, said_at, counted, machine, decisions)
VALUES (1, clock_timestamp(), clock_timestamp(), %s, %s, 1)
ON CONFLICT (id) DO UPDATE SET
    believed_at = excluded.believed_at, said_at = excluded.said_at, counted = excluded.counted, machine = excluded.machine,
    decisions = kept.decisions + 1
RETURNING believed_at, said_at, counted, machine, decisions
"""
