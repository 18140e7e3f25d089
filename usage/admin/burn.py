"""What all organizations together used in the last thirty days, stacked by model, beside the thirty before. Read from what the worker adds up."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.utils.safestring import SafeString

from credits.models import ZERO
from usage.admin.charts import Series, stacked, with_rest
from usage.models import DailyUse

DAYS = 30
DAY = timedelta(days=1)


class Burn(NamedTuple):
    """The use of thirty days, and how it compares with that of the thirty before."""

    chart: SafeString
    total: Decimal
    before: Decimal
    percent: str
    """By how much more or less, in percent; empty where there was nothing before."""
    direction: str
    a_day: Decimal


def burn(*, now: datetime) -> Burn | None:
    """Return what was used until today; None where nothing was."""
    today = now.date()
    days = [today - n * DAY for n in reversed(range(DAYS))]
    earlier = [day - DAYS * DAY for day in days]
    used = _used(earlier[0], today)
    if not used:
        return None
    names = {model for _, model in used}
    series = [Series(name, _values(used, name, days)) for name in names]
    sums = _sums(used)
    before = Series("The 30 days before, mean of a week", [sums.get(day, ZERO) for day in earlier])
    total = sum((sums.get(day, ZERO) for day in days), ZERO)
    drawn = with_rest(
        [each for each in series if any(each.values)], [sums.get(d, ZERO) for d in days]
    )
    label = "Credits used a day by all organizations, by model, the last 30 days"
    return Burn(
        chart=stacked(days, drawn, label=label, before=before if before.total else None),
        total=total,
        before=before.total,
        percent=_percent(total, before.total),
        direction="up" if total >= before.total else "down",
        a_day=total / DAYS,
    )


def _used(first: date, last: date) -> dict[tuple[date, str], Decimal]:
    rows = DailyUse.objects.filter(day__range=(first, last)).values_list(
        "day", "model_id", "credits"
    )
    return {(day, model or "No model"): credits for day, model, credits in rows}


def _values(used: Mapping[tuple[date, str], Decimal], name: str, days: list[date]) -> list[Decimal]:
    return [used.get((day, name), ZERO) for day in days]


def _sums(used: Mapping[tuple[date, str], Decimal]) -> dict[date, Decimal]:
    sums: dict[date, Decimal] = {}
    for (day, _), credits in used.items():
        sums[day] = sums.get(day, ZERO) + credits
    return sums


def _percent(total: Decimal, before: Decimal) -> str:
    if before <= 0:
        return ""
    return f"{abs(total - before) * 100 / before:,.0f}"
