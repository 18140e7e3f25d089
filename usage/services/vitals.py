"""How customers stand, measured a portion at a time: near a cap, out of credits soon, in debt, refused, about to lose credits.

This is the one measure of it. The first page of the console and the lists read the rows that are written here, and the alerts are of the very
figures, kept in the same transaction; when credits run out and a cap is reached the forecast says (`usage.services.forecasts`), as it does on
the pages and in the API. Nothing of it decides about anything, and it takes no lock: credits and limits are asked where they are.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from organizations import alerts
from organizations.alerts import Noticed
from organizations.models import Alert, Env, Organization
from usage.candidates import Facts, may_be_capped, may_run_dry
from usage.models import Vitals
from usage.services import facts
from usage.services.facts import Reading
from usage.services.forecasts import Outlook, day_left, outlook_of, whole_days
from usage.services.noticing import money, refusals
from usage.services.noticing.rules import Rule, rules_of
from usage.services.rollups import RollupsBehind

PORTION = 500
SOON = 7
"""So many days ahead is looked, or further where a rule asks for it."""
DAY = timedelta(days=1)
FINEST = Decimal("0.0001")
MOST_SHARE = Decimal(9999)
Kind = Alert.Kind
KINDS = (
    Kind.NEAR_CAP,
    Kind.CAP_SOON,
    Kind.DRY_SOON,
    Kind.IN_DEBT,
    Kind.DEBT_GROWN,
    Kind.REFUSALS,
)
OF_A_FORECAST = (Kind.CAP_SOON, Kind.DRY_SOON)
"""Those that stay as they are where nothing can be foreseen."""
FORESEEN = ("dry", "dry_at", "capped_at")
"""What a forecast says of somebody."""
MEASURED = [field.name for field in Vitals._meta.fields if not field.primary_key]


class Seen(NamedTuple):
    """How the organizations of a portion stand: as they were read, and what is foreseen of those for whom that may matter."""

    readings: Mapping[UUID, Reading]
    outlooks: Mapping[UUID, Outlook]
    unknown: Collection[UUID]
    """Of whom so much work is not added up that nothing can be foreseen: they stay as they were."""


def measure(*, after: UUID | None, now: datetime) -> UUID | None:
    """Measure the next live organizations, in the order of their ids. Returns the last one, or None if there are no more.

    :param after: the last one of the portion before; None at the beginning
    """
    live = Organization.objects.filter(env=Env.LIVE).order_by("id")
    rows = live if after is None else live.filter(id__gt=after)
    ids = list(rows.values_list("id", flat=True)[:PORTION])
    last = ids[-1] if len(ids) == PORTION else None
    rules = rules_of(ids)
    seen = look(rules, now=now)
    noticed = list(_noticed(seen, rules, now))
    with transaction.atomic():
        _write(ids, seen, noticed, now)
        looked_at = alerts.about(after, last) & ~Q(
            kind__in=OF_A_FORECAST, organization__in=seen.unknown
        )
        alerts.keep(noticed, kinds=KINDS, among=looked_at, now=now)
    return last


def look(rules: Mapping[UUID, Rule], *, now: datetime) -> Seen:
    """Return how some organizations stand.

    :param rules: the rules of each: how far ahead is looked depends on them
    """
    days = {
        id: max(SOON, rule.cap_within_days or 0, rule.dry_within_days or 0)
        for id, rule in rules.items()
    }
    readings = facts.read(days, now=now)
    outlooks, unknown = {}, set()
    for organization in candidates(readings, now=now):
        days_ahead = readings[organization.pk].days
        try:
            outlooks[organization.pk] = outlook_of(organization, now=now, days=days_ahead)
        except RollupsBehind:
            unknown.add(organization.pk)
    return Seen(readings, outlooks, unknown)


def candidates(readings: Mapping[UUID, Reading], *, now: datetime) -> list[Organization]:
    """Return those of whom a forecast may say that they run out of credits, or reach their cap, in the days ahead.

    Nobody whom it names is missed: see `usage.candidates`. Work counts as far as it is added up; what is not is in it minutes later.
    """
    known, left = _facts(readings, now), day_left(now)

    def may(id: UUID, past: Sequence[float] | None = None) -> bool:
        could = may_run_dry(known[id], past, day_left=left)
        return could or may_be_capped(known[id], past, day_left=left)

    some = [id for id, reading in readings.items() if reading.works and may(id)]
    used = facts.used_by_day(some, now=now)
    rows = Organization.objects.filter(id__in=some).select_related("parent").order_by("id")
    return [
        row
        for row in rows
        if may(row.pk, whole_days(row.created_at, used[row.pk], today=now.date()))
    ]


def _facts(readings: Mapping[UUID, Reading], now: datetime) -> dict[UUID, Facts]:
    """Return what could happen to each, with what the parents have of those that are refilled."""
    refilled = [each for each in readings.values() if each.is_refilled and each.parent_id]
    furthest = max((each.days for each in refilled), default=SOON)
    owners = {each.parent_id: furthest for each in refilled if each.parent_id}
    parents = facts.read(owners, now=now) if owners else {}
    return {
        id: facts.facts_of(
            each,
            parents.get(each.parent_id) if each.is_refilled and each.parent_id else None,
            now=now,
        )
        for id, each in readings.items()
    }


def _noticed(seen: Seen, rules: Mapping[UUID, Rule], now: datetime) -> list[Noticed]:
    """Return what is worth an alert, by the rules of each."""
    warned = money.percents_of(seen.readings)
    found = [
        each
        for id, reading in seen.readings.items()
        for each in money.see(reading, seen.outlooks.get(id), rules[id], warned.get(id), now=now)
    ]
    found += money.deeper(seen.readings, rules, now)
    return [*found, *refusals.see(seen.readings, rules, now)]


def _write(ids: Sequence[UUID], seen: Seen, noticed: Collection[Noticed], now: datetime) -> None:
    """Write what was measured, where it is not what is written. Whoever was stopped needs nobody's eye."""
    gone = Vitals.objects.filter(organization__in=ids).exclude(organization__in=seen.readings)
    gone.delete()
    before = Vitals.objects.in_bulk(ids)
    levels = {(each.organization_id, each.kind): each.level for each in noticed}
    changed = []
    for id, reading in seen.readings.items():
        row, known = _row(reading, seen.outlooks.get(id), levels, now), before.get(id)
        if known is not None and id in seen.unknown:
            for name in FORESEEN:
                setattr(row, name, getattr(known, name))
        if known is None or any(getattr(row, n) != getattr(known, n) for n in MEASURED):
            changed.append(row)
    Vitals.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["organization"], update_fields=MEASURED
    )


def _row(
    reading: Reading,
    outlook: Outlook | None,
    levels: Mapping[tuple[UUID | None, str], int],
    now: datetime,
) -> Vitals:
    dry, capped = outlook and outlook.dry, outlook and outlook.capped
    return Vitals(
        organization_id=reading.id,
        week=reading.week,
        week_before=reading.week_before,
        change=reading.week - reading.week_before,
        cap_share=_share(reading),
        near_cap=levels.get((reading.id, Kind.NEAR_CAP), 0),
        capped_at=capped.likely if capped and (reading.id, Kind.CAP_SOON) in levels else None,
        dry=levels.get((reading.id, Kind.DRY_SOON), 0),
        dry_at=dry.likely if dry else None,
        debt=reading.debt,
        in_debt=levels.get((reading.id, Kind.IN_DEBT), 0),
        refused=reading.refused,
        ending=reading.ending,
        ends_at=reading.first_at,
    )


def _share(reading: Reading) -> Decimal | None:
    if not reading.monthly_cap:
        return None
    share = min(reading.used / reading.monthly_cap, MOST_SHARE)
    return share.quantize(FINEST, ROUND_DOWN)
