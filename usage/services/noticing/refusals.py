"""Organizations whose work is refused more than usual: in the last 24 hours, against the week before."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Sum

from organizations.alerts import Noticed
from organizations.models import Alert
from usage.models import Denial
from usage.services.facts import Reading
from usage.services.noticing.rules import Rule

DAY = timedelta(days=1)
WEEK = 7


def see(
    readings: Mapping[UUID, Reading], rules: Mapping[UUID, Rule], now: datetime
) -> Iterator[Noticed]:
    """Yield those that are refused more often than usual, with the reason that is most frequent."""
    many = [
        id
        for id, reading in readings.items()
        if (at_least := rules[id].refusals_at_least) is not None and reading.refused >= at_least
    ]
    often = _refused(many, now - DAY, now) if many else {}
    before = _refused(often, now - (WEEK + 1) * DAY, now - DAY) if often else {}
    for id, by_reason in often.items():
        times, factor = sum(by_reason.values()), rules[id].refusals_factor
        usual = sum(before.get(id, {}).values()) / WEEK
        if factor is None or times <= float(factor) * usual:
            continue
        most = min(by_reason, key=lambda reason: (-by_reason[reason], reason))
        figures = {"refused": str(times), "usualInADay": f"{usual:.0f}", "most": most}
        yield Noticed(Alert.Kind.REFUSALS, Alert.Severity.WARNING, id, figures=figures)


def _refused(ids: Collection[UUID], since: datetime, until: datetime) -> dict[UUID, dict[str, int]]:
    """Return how often each was refused in a span of time, by reason."""
    rows = Denial.objects.filter(
        organization__in=ids, created_at__gt=since, created_at__lte=until
    ).values_list("organization", "reason")
    found: dict[UUID, dict[str, int]] = {}
    for id, reason, times in rows.annotate(times=Sum("times")).order_by():
        found.setdefault(id, {})[reason] = times
    return found
