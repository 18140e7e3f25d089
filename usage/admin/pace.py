"""How fast an organization uses its credits: the last thirty days, how long what it has lasts, and when the cap is reached."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from credits.models import ZERO
from organizations.models import Organization
from usage.foretold import Prospect
from usage.models import Denial
from usage.services import forecasts, rollups
from usage.services.forecasts import Outlook

DAYS = 30
DAY = timedelta(days=1)


class Bar(NamedTuple):
    """What was used on one day, and how high its bar is, in percent of the highest."""

    day: date
    used: Decimal
    height: int


class Pace(NamedTuple):
    """The pace of an organization, and what is foreseen of it."""

    bars: Sequence[Bar]
    outlook: Outlook

    @property
    def is_capped_first(self) -> bool:
        """Whether the cap is likely what ends the work: before it resets, and before the credits are used up."""
        capped, dry = self.outlook.capped, self.outlook.dry
        if capped is None or capped.likely is None or capped.likely >= self.outlook.resets_at:
            return False
        return dry is None or dry.likely is None or capped.likely <= dry.likely

    @property
    def first(self) -> Prospect:
        """What is foreseen of what ends first: the cap, or the credits."""
        capped = self.outlook.capped
        return capped if capped is not None and self.is_capped_first else self.outlook.pool

    @property
    def words(self) -> str:
        """All that is foreseen, what ends first at the beginning."""
        pool, overdraft, capped = self.outlook.pool, self.outlook.overdraft, self.outlook.capped
        said = [pool, *([overdraft] if overdraft else [])]
        if capped is not None:
            said = [capped, pool] if self.is_capped_first else [*said, capped]
        return " ".join(each.words for each in said)


def pace_of(organization: Organization, *, now: datetime) -> Pace | None:
    """Return how fast an organization uses its credits; None as long as so much work is not added up that reading it would take long."""
    try:
        used = forecasts.used_by_day(organization, now=now)
        outlook = forecasts.outlook_of(organization, now=now, used=used)
    except rollups.RollupsBehind:
        return None
    days = [now.date() - back * DAY for back in reversed(range(DAYS))]
    return Pace(_bars([(day, used.get(day, ZERO)) for day in days]), outlook)


class Refused(NamedTuple):
    """How often work was refused in the last 24 hours."""

    times: int
    by_reason: Sequence[tuple[str, int]]
    """The most frequent first."""


def refused(organization: Organization, *, now: datetime) -> Refused:
    """Return how often work of an organization was refused of late, and why."""
    rows = Denial.objects.filter(organization=organization, created_at__gt=now - DAY)
    counts = rows.values_list("reason").annotate(times=Sum("times")).order_by("-times", "reason")
    by_reason = list(counts)
    return Refused(sum(times for _, times in by_reason), by_reason)


def _bars(days: Sequence[tuple[date, Decimal]]) -> list[Bar]:
    highest = max(used for _, used in days)
    return [
        Bar(day, used, 0 if not highest else max(2 if used else 0, int(used * 100 / highest)))
        for day, used in days
    ]
