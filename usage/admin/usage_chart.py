"""What an organization used day by day, stacked by model, by person or by app: a chart, and whose it was."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.safestring import SafeString

from credits.models import ZERO
from organizations.models import Actor, Organization
from usage.admin.charts import MOST, Series, stacked, with_rest
from usage.services import rollups
from usage.services.rollups import Dimension

DAY = timedelta(days=1)
Key = tuple[Any, ...]


class By(NamedTuple):
    """What usage is stacked by: the dimensions of a report, and what a value of them is called."""

    title: str
    dimensions: Sequence[Dimension]
    names: Callable[[Sequence[Key]], Mapping[Key, str]]
    are_few: bool = False
    """Whether all of them are read day by day: then no report asks before who used most."""


class Span(NamedTuple):
    """A span of days, both included."""

    title: str
    first: date
    last: date


class Usage(NamedTuple):
    """What was used, as a page shows it."""

    chart: SafeString
    total: Decimal
    by: str
    span: str
    choices: Mapping[str, str]
    """What it may be stacked by, as the address and as people say it."""
    spans: Mapping[str, str]


def usage_of(organization: Organization, *, by: str, span: str, now: datetime) -> Usage | None:
    """Return the usage of an organization; None as long as so much work is not added up that reading it would take long.

    :param by: one of `BY`, or anything for the first
    :param span: one of those of `spans_of`, or anything for the first
    """
    spans = spans_of(now.date())
    chosen, days = by if by in BY else next(iter(BY)), span if span in spans else next(iter(spans))
    try:
        series, total = _series(organization, BY[chosen], spans[days])
    except rollups.RollupsBehind:
        return None
    shown = with_rest(series, total)
    label = f"Credits used a day, {BY[chosen].title.lower()}, {spans[days].title.lower()}"
    return Usage(
        chart=stacked(_days(spans[days]), shown, label=label),
        total=sum(total, ZERO),
        by=chosen,
        span=days,
        choices={name: each.title for name, each in BY.items()},
        spans={name: each.title for name, each in spans.items()},
    )


def spans_of(today: date) -> dict[str, Span]:
    """Return the spans of days that may be looked at, by what an address calls them."""
    month = today.replace(day=1)
    before = month - DAY
    return {
        "30": Span("30 days", today - 29 * DAY, today),
        "90": Span("90 days", today - 89 * DAY, today),
        "month": Span("This month", month, today),
        "last": Span("Last month", before.replace(day=1), before),
    }


def _series(organization: Organization, by: By, span: Span) -> tuple[list[Series], list[Decimal]]:
    """Return what those that used most used each day, and what all used."""
    first, last = span.first, span.last
    dimensions = by.dimensions
    only: dict[Dimension, list[Any]] | None = None
    if not by.are_few:
        most = rollups.report(organization, *dimensions, first_day=first, last_day=last, limit=MOST)
        keys = [tuple(row[name] for name in dimensions) for row in most]
        only = {name: [key[n] for key in keys] for n, name in enumerate(dimensions)}
    rows = rollups.report(
        organization, "day", *dimensions, first_day=first, last_day=last, only=only
    )
    used = {(row["day"], *(row[name] for name in dimensions)): row["credits"] for row in rows}
    if by.are_few:
        keys = _largest(used)
    days = _days(span)
    names = by.names(keys)
    series = [Series(names[key], [used.get((day, *key), ZERO) for day in days]) for key in keys]
    of_all = rollups.report(organization, "day", first_day=first, last_day=last)
    total = {row["day"]: row["credits"] for row in of_all}
    return series, [total.get(day, ZERO) for day in days]


def _largest(used: Mapping[Key, Decimal]) -> list[Key]:
    """Return the keys of which most was used, by what was used of each on each day."""
    sums: dict[Key, Decimal] = {}
    for (_, *key), credits in used.items():
        sums[tuple(key)] = sums.get(tuple(key), ZERO) + credits
    return sorted(sums, key=lambda key: (-sums[key], str(key)))[:MOST]


def _days(span: Span) -> list[date]:
    return [span.first + n * DAY for n in range((span.last - span.first).days + 1)]


def _models(keys: Sequence[Key]) -> dict[Key, str]:
    return {key: str(key[0] or "No model") for key in keys}


def _people(keys: Sequence[Key]) -> dict[Key, str]:
    ids = [UUID(str(key[0])) for key in keys if key[0] is not None]
    known = Actor.objects.in_bulk(ids)
    return {key: str(known[key[0]]) if key[0] in known else "Nobody named" for key in keys}


def _apps(keys: Sequence[Key]) -> dict[Key, str]:
    return {key: " ".join(filter(None, key)) or "No app" for key in keys}


BY: Mapping[str, By] = {
    "model": By("By model", ("model_id",), _models, are_few=True),
    "person": By("By person", ("actor_id",), _people),
    "app": By("By app", ("resource_type", "resource_id"), _apps),
}
