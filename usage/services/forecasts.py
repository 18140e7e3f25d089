"""When the credits of an organization are used up and when its cap is reached: the one answer of every page and of the API."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from credits.models import ZERO
from credits.services import Reading
from organizations.models import Organization
from organizations.services import status_in_force
from usage import foretold
from usage.flows import Flows
from usage.forecast import AHEAD, MOST, Span, foresee, is_enough
from usage.foretold import Prospect
from usage.services import rollups
from usage.services.flowing import flows_of

RECENT = 14
"""Over so many whole days the pace is an average."""
DAY = timedelta(days=1)

Used = Mapping[date, Decimal]
"""What was used on each day that anything was."""


class Outlook(NamedTuple):
    """What is foreseen of an organization. Moments are estimates, and said as ranges."""

    organization: Organization
    now: datetime
    days: int
    """How far ahead was looked."""
    whole_days: int
    """Of how many days the use is known."""
    a_day: Decimal
    """What a day uses of late, in credits."""
    pool: Prospect
    cap: Prospect | None
    """None where there is no cap."""
    overdraft: Prospect | None
    """When an overdraft is used up, too; None where there is none, or it has no end."""
    resets_at: datetime
    """When the use begins to count anew for the cap."""
    is_endless: bool
    """Whether work is admitted however much is owed."""

    @property
    def dry(self) -> Prospect | None:
        """When work is refused for want of credits; None where it never is."""
        return None if self.is_endless else self.overdraft or self.pool

    @property
    def capped(self) -> Prospect | None:
        """When the cap is reached, if it may be before it resets."""
        return self.cap if self.cap is not None and self.cap.is_before(self.resets_at) else None


def used_by_day(organization: Organization, *, now: datetime) -> dict[date, Decimal]:
    """Return what an organization used on each of the days that a forecast goes by, today included.

    :raises RollupsBehind: if so much work is not added up that reading it would take long
    """
    today = now.date()
    rows = rollups.report(organization, "day", first_day=today - MOST * DAY, last_day=today)
    return {row["day"]: max(ZERO, row["credits"]) for row in rows}


def outlook_of(
    organization: Organization, *, now: datetime, days: int = AHEAD, used: Used | None = None
) -> Outlook:
    """Return when the credits of an organization are used up, and when its cap is reached, if nobody gives or changes anything.

    :param days: how far ahead is looked
    :param used: what it used on each day, if the caller has it
    :raises RollupsBehind: if so much work is not added up that reading it would take long
    """
    known = used_by_day(organization, now=now) if used is None else used
    behind = whole_days(organization.created_at, known, today=now.date())

    def past_of(whose: Organization) -> Sequence[float]:
        if whose == organization:
            return behind
        return whole_days(whose.created_at, used_by_day(whose, now=now), today=now.date())

    flows, reading = flows_of(organization, past_of, days=days, now=now)
    pool, cap, overdraft = _prospects(organization, flows, reading, days=days, now=now)
    return Outlook(
        organization=organization,
        now=now,
        days=days,
        whole_days=len(behind),
        a_day=pace(organization.created_at, known, today=now.date()),
        pool=pool,
        cap=None if flows.cap is None else cap,
        overdraft=overdraft if flows.overdraft else None,
        resets_at=reading.period.ends_at,
        is_endless=flows.overdraft is None,
    )


def _prospects(
    organization: Organization, flows: Flows, reading: Reading, *, days: int, now: datetime
) -> list[Prospect]:
    """Return when the pool, the cap and the overdraft are used up."""
    status = status_in_force(organization)
    if status != Organization.Status.ACTIVE:
        return [foretold.stopped(status.value)] * 3
    said = (
        foretold.pool_said(overdraft=reading.wallet.config.overdraft_limit),
        foretold.cap_said(resets_at=reading.period.ends_at),
        foretold.overdraft_said(),
    )
    return prospects(flows, said, days=days, now=now)


def prospects(
    flows: Flows, said: Sequence[foretold.Sentence], *, days: int, now: datetime
) -> list[Prospect]:
    """Return what is foreseen of a wallet, in sentences: of its pool, its cap and its overdraft."""
    enough = is_enough(flows.past)
    # Of too short a past nothing is said but what is so already.
    known = flows if enough else flows._replace(past=())
    found = foresee(known, days=days if enough else 1, day_left=day_left(now))

    def prospect(span: Span, sentence: foretold.Sentence) -> Prospect:
        if enough or span.is_now:
            return foretold.prospect_of(span, sentence, now=now, days=days)
        return foretold.too_early(len(flows.past))

    return [prospect(*each) for each in zip(found, said, strict=True)]


def day_left(now: datetime) -> float:
    """Return the part of a day that is still to come."""
    return (datetime.combine(now.date() + DAY, time(), tzinfo=UTC) - now) / DAY


def whole_days(created_at: datetime, used: Used, *, today: date) -> list[float]:
    """Return what was used on each whole day, the oldest first: since anything was, or since there is somebody who uses it."""
    days = [today - back * DAY for back in range(MOST, 0, -1)]
    past = [float(used.get(day, ZERO)) for day in days if day > created_at.date()]
    first = next((number for number, amount in enumerate(past) if amount), 0)
    return past[first:]


def pace(created_at: datetime, used: Used, *, today: date) -> Decimal:
    """Return what a day uses: of the last fourteen whole ones, or of fewer where there are not as many; of today where it is the first."""
    since = created_at.date()
    days = [today - back * DAY for back in range(1, RECENT + 1) if today - back * DAY >= since]
    behind = sum((used.get(day, ZERO) for day in days), ZERO)
    return round(behind / len(days), 6) if days else used.get(today, ZERO)
