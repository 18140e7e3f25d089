"""Organizations whose work is refused more than usual: in the last 24 hours, against the week before."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Sum

from organizations.alerts import Noticed
from organizations.models import Alert
from usage.models import Denial
from usage.services.noticing.rules import rules_of

DAY = timedelta(days=1)
WEEK = 7


def see(ids: Collection[UUID], now: datetime) -> Iterator[Noticed]:
    """Yield those that are refused more often than usual, with the reason that is most frequent."""
    rules = rules_of(ids)
    counted = _refused(ids, now - DAY, now)
    often = {}
    for id, by_reason in counted.items():
        at_least = rules[id].refusals_at_least
        if at_least is not None and sum(by_reason.values()) >= at_least:
            often[id] = by_reason
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
