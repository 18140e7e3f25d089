"""A forecast in words: when, in days as people count them, and on which day. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from usage.forecast import LEAST, Span

DAY = timedelta(days=1)

REACHED, FORESEEN, NOT_WITHIN = "reached", "foreseen", "not_within"
TOO_EARLY, STOPPED = "too_early", "stopped"
STATES = [REACHED, FORESEEN, NOT_WITHIN, TOO_EARLY, STOPPED]


class Prospect(NamedTuple):
    """When something happens: what can be said of it, the earliest, likely and latest moment, and the words for it."""

    state: str
    words: str
    """A sentence."""
    short: str
    """How long it takes, for a figure: 20 to 45 days."""
    earliest: datetime | None = None
    likely: datetime | None = None
    latest: datetime | None = None
    """None is not within the days that were looked at."""
    afterwards: str = ""
    """The end of the words: what follows once it happens."""

    @property
    def first_words(self) -> str:
        """The words without what follows."""
        return self.words.removesuffix(self.afterwards)

    def is_before(self, moment: datetime) -> bool:
        """Whether it may happen before a moment."""
        return self.earliest is not None and self.earliest < moment


class Sentence(NamedTuple):
    """What is said of one thing that may be reached."""

    reached: str
    happens: str
    """What stands before the time that it takes."""
    not_within: str
    afterwards: str = ""
    """What follows once it can happen at all."""


def pool_said(*, overdraft: Decimal | None) -> Sentence:
    """Return what is said of credits that are used up, and of what work does then."""
    afterwards = ""
    if overdraft is None:
        afterwards = " From then on work makes debt."
    elif overdraft:
        afterwards = f" From then on work makes debt, up to {overdraft.normalize():,f} credits."
    happens = "The credits are used up"
    return Sentence("Nothing is left.", happens, "The credits are not used up", afterwards)


def overdraft_said() -> Sentence:
    """Return what is said of an overdraft that is used up, too."""
    happens = "Work is refused for want of credits"
    return Sentence(f"{happens}.", happens, "The overdraft is not used up")


def limit_said(*, resets_at: datetime) -> Sentence:
    """Return what is said of the limit of a person or a group, and its reset."""
    again = f" It resets on {_day(resets_at)}."
    return Sentence(
        "The limit is reached.", "The limit is reached", "The limit is not reached", again
    )


def cap_said(*, resets_at: datetime) -> Sentence:
    """Return what is said of a cap and its reset."""
    again = f" It resets on {_day(resets_at)}."
    return Sentence("The cap is reached.", "The cap is reached", "The cap is not reached", again)


def prospect_of(span: Span, said: Sentence, *, now: datetime, days: int) -> Prospect:
    """Return when something happens, from a span of days from now."""
    earliest, likely, latest = (None if day is None else now + day * DAY for day in span)
    moments = {"earliest": earliest, "likely": likely, "latest": latest}
    if span.is_now:
        words = said.reached + said.afterwards
        return Prospect(REACHED, words, "now", afterwards=said.afterwards, **moments)
    if earliest is None:
        return Prospect(NOT_WITHIN, f"{said.not_within} within {days} days.", f"over {days} days")
    first, last = _days(earliest, now), None if latest is None else _days(latest, now)
    short = _between(first, last, days)
    if likely is None:
        words = f"{said.not_within} within {days} days in most cases; at the earliest {_in(first)}, on {_day(earliest)}"
    elif first == last:
        words = f"{said.happens} {_in(first)}, on {_day(likely)}"
    else:
        likely_in = _in(_days(likely, now))
        words = f"{said.happens} in {short}, likely {likely_in}, on {_day(likely)}"
    words = f"{words}.{said.afterwards}"
    return Prospect(FORESEEN, words, short, afterwards=said.afterwards, **moments)


def too_early(past: int) -> Prospect:
    """Return that too few days are behind somebody to say anything."""
    behind = "no whole day" if not past else f"{past} whole day{'s' if past > 1 else ''}"
    words = f"It is too early to say: {behind} of use behind, and it takes {LEAST}."
    return Prospect(TOO_EARLY, words, "too early to say")


def stopped(status: str) -> Prospect:
    """Return that nothing is spent, since an organization is not active."""
    return Prospect(STOPPED, f"Nothing is spent while it is {status}.", f"{status}")


def _between(first: int, last: int | None, days: int) -> str:
    if last is None:
        return f"{first} to over {days} days"
    if first != last:
        return f"{first} to {last} days"
    return "today" if first == 0 else f"{first} day{'' if first == 1 else 's'}"


def _days(moment: datetime, now: datetime) -> int:
    """Return how many days away a moment is, as people count them: tomorrow is 1."""
    return (moment.date() - now.date()) // DAY


def _in(days: int) -> str:
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
