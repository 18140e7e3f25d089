"""What the page of an organization shows of this month: its usage against its limits, and who used most."""

from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from credits.models import ZERO, UsageCounter
from credits.periods import Period
from organizations.models import Group, Membership, Organization
from usage.models import Limit
from usage.services import limits
from usage.services.controls import Controls
from usage.services.limits import Cap

ROWS = 6
"""How many actors, groups and budgets are shown: those that used most. The rest is in their lists."""


class Share(NamedTuple):
    """What a subject used and has reserved of its cap in the month, and how its bar looks."""

    subject: Any
    used: Decimal
    reserved: Decimal
    cap: Cap

    @property
    def tone(self) -> str:
        taken = self.used + self.reserved
        if self.cap is None or taken * 5 < self.cap * 4:
            return "good"
        return "bad" if taken >= self.cap else "warn"


def thresholds_bar(found: Controls) -> dict[str, Any] | None:
    """Return the bar of what is used against the thresholds; nothing where there are none."""
    ends_at = found.shutoff if found.shutoff is not None else found.downgrade
    if ends_at is None:
        return None
    tone = "good"
    if found.downgrade is not None and found.used >= found.downgrade:
        tone = "warn"
    if found.shutoff is not None and found.used >= found.shutoff:
        tone = "bad"
    both = found.downgrade is not None and found.shutoff is not None
    return {"ends_at": ends_at, "tone": tone, "tick": found.downgrade if both else None}


def top_actors(organization: Organization, month: Period) -> list[Share]:
    """Return the actors that used most in a month, each with what applies to it."""
    counters = _counters(organization, month).filter(actor__isnull=False)
    # Who they are is asked of these alone, and not of all before they are sorted.
    rows = list(counters.prefetch_related("actor__profile").order_by("-used", "id")[:ROWS])
    actors = [row.actor for row in rows if row.actor is not None]
    terms = limits.actor_terms(organization, actors)
    return [
        Share(actor, row.used, row.reserved, terms[actor.id].cap)
        for row, actor in zip(rows, actors, strict=True)
    ]


def entity_groups(organization: Organization, month: Period) -> list[Share]:
    """Return the entity groups whose buckets were drawn on most in a month."""
    rows = organization.groups.filter(kind=Group.Kind.ENTITY)
    groups = list(_with_use(rows, organization, month, group=OuterRef("pk")))
    caps = limits.entity_group_caps(groups)
    return [Share(group, group.used, group.reserved, caps[group.id]) for group in groups]


def teams(organization: Organization) -> QuerySet[Group]:
    """Return teams of an organization by name, with how many are in each: to know the largest, all would be counted."""
    rows = organization.groups.filter(kind=Group.Kind.TEAM).select_related("profile")
    members = Membership.objects.filter(group=OuterRef("pk")).order_by().values("group")
    size = Coalesce(Subquery(members.annotate(count=Count("pk")).values("count")), 0)
    return rows.annotate(size=size).order_by("name", "id")[:ROWS]


def budgets(organization: Organization, month: Period) -> list[Share]:
    """Return the budgets of apps and datasets of which most was used in a month."""
    rows = Limit.objects.filter(
        organization=organization, scope=Limit.Scope.RESOURCE, cap__isnull=False
    )
    same = {name: OuterRef(name) for name in ("resource_type", "resource_id")}
    found = _with_use(rows, organization, month, **same)
    return [Share(limit, limit.used, limit.reserved, limit.cap) for limit in found]


def _counters(organization: Organization, month: Period) -> QuerySet[UsageCounter]:
    return UsageCounter.objects.filter(
        wallet__organization=organization, month=month.starts_at.date()
    )


def _with_use(
    rows: QuerySet[Any], organization: Organization, month: Period, **subject: OuterRef
) -> QuerySet[Any]:
    """Return rows with what their counters of a month say, those that used most first."""
    counter = _counters(organization, month).filter(**subject)
    figures = {
        name: Coalesce(Subquery(counter.values(name)[:1]), ZERO) for name in ("used", "reserved")
    }
    shown: QuerySet[Any] = rows.annotate(**figures).order_by(F("used").desc(), "id")[:ROWS]
    return shown
