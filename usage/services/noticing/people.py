"""People and shared budgets that are near their cap, and whoever has used so much of a budget that staff want to be told.

What is compared is what is settled in the calendar month, as limits count it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from django.db.models import Sum

from credits.models import ZERO, UsageCounter
from credits.periods import month_of
from organizations.alerts import Noticed
from organizations.models import Actor, Alert, BudgetWarning, Group, Membership
from usage.services import limits
from usage.services.noticing.money import share_of, usual_percents
from usage.services.noticing.rules import Rule, rules_of

Kind = Alert.Kind
AT_ONCE = 2_000
"""Of how many people the caps are read by one statement."""


class Subject(NamedTuple):
    """Whom a counter is of: an organization, or one of its people or groups."""

    organization_id: UUID
    actor_id: UUID | None = None
    group_id: UUID | None = None


def see(ids: Collection[UUID], now: datetime) -> Iterator[Noticed]:
    """Yield what is true of the people and groups of some organizations."""
    used = _used(ids, now)
    warnings = warnings_of(ids)
    rules = rules_of(ids)
    for subject, cap in _caps(used):
        warning, rule = warnings.get(subject), rules[subject.organization_id]
        percents = _percents(warning, rule)
        kind = Kind.PERSON_NEAR_CAP if subject.actor_id else Kind.SHARED_NEAR_CAP
        yield from _noticed(kind, subject, used[subject], cap, percents)
    with_budget = {of: each for of, each in warnings.items() if each.budget is not None}
    used |= _used_by_teams(with_budget, now)
    for subject, warning in with_budget.items():
        spent = used.get(subject, ZERO)
        yield from _noticed(Kind.BUDGET, subject, spent, warning.budget, warning.percents)


def warnings_of(ids: Collection[UUID]) -> Mapping[Subject, BudgetWarning]:
    """Return the budget warnings of some organizations, by whom they are about."""
    rows = BudgetWarning.objects.filter(organization__in=ids)
    return {Subject(row.organization_id, row.actor_id, row.group_id): row for row in rows}


def _percents(warning: BudgetWarning | None, rule: Rule) -> Collection[int]:
    """Return the percentages of a cap that are worth an alert: those of its warning, else by the rule; none where that says never."""
    if warning is not None and warning.budget is None:
        return warning.percents
    return usual_percents(rule)


def _noticed(
    kind: Alert.Kind,
    subject: Subject,
    used: Decimal,
    budget: Decimal | None,
    percents: Collection[int],
) -> Iterator[Noticed]:
    share = share_of(used, budget, percents)
    if share is not None:
        level, severity, figures = share
        yield Noticed(kind, severity, *subject, level=level, figures=figures)


def _used(ids: Collection[UUID], now: datetime) -> dict[Subject, Decimal]:
    """Return what was used this month: by whom, from which shared budget, and by each organization."""
    counters = UsageCounter.objects.filter(
        wallet__organization__in=ids,
        month=month_of(now).starts_at.date(),
        resource_type="",
        used__gt=0,
    )
    rows = counters.values_list("wallet__organization_id", "actor_id", "group_id", "used")
    return {Subject(*whose): used for *whose, used in rows.iterator()}


def _caps(used: Mapping[Subject, Decimal]) -> Iterator[tuple[Subject, Decimal | None]]:
    """Yield the cap of each person who may spend, and of each shared budget, that used something."""
    people = (subject.actor_id for subject in used if subject.actor_id is not None)
    while some := list(islice(people, AT_ONCE)):
        rows = Actor.objects.filter(id__in=some, active=True)
        actors = list(rows.select_related("profile", "organization__default_profile"))
        caps = limits.caps_of(actors)
        for actor in actors:
            yield Subject(actor.organization_id, actor.pk), caps[actor.pk]
    shared = (subject.group_id for subject in used if subject.group_id is not None)
    while some := list(islice(shared, AT_ONCE)):
        groups = list(Group.objects.filter(id__in=some, kind=Group.Kind.ENTITY))
        caps = limits.entity_group_caps(groups)
        for group in groups:
            yield Subject(group.organization_id, None, group.pk), caps[group.pk]


def _used_by_teams(subjects: Collection[Subject], now: datetime) -> dict[Subject, Decimal]:
    """Return what the present members of teams used together this month. Nothing is counted for a team itself."""
    groups: Sequence[UUID] = [each.group_id for each in subjects if each.group_id is not None]
    if not groups:
        return {}
    members = Membership.objects.filter(
        group__in=groups,
        kind=Group.Kind.TEAM,
        actor__counters__month=month_of(now).starts_at.date(),
    )
    sums = members.values("organization_id", "group_id")
    rows = sums.annotate(used=Sum("actor__counters__used"))
    return {Subject(row["organization_id"], None, row["group_id"]): row["used"] for row in rows}
