"""What stands at the head of a group's page: what it used this month, and of what."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.http import HttpRequest

from credits.periods import month_of
from organizations.models import Group
from usage.admin import columns
from usage.admin.alert_words import VIEW_ALERT, VIEW_WARNING, Open, open_on
from usage.admin.limit_pace import limit_pace
from usage.services import limits, used, warnings
from usage.services.limit_forecasts import LimitOutlook


class GroupHead(NamedTuple):
    """What stands at the head of a group's page: what was used this month, in credits, and of what."""

    is_shared: bool
    used: Decimal
    cap: Decimal | None
    """Of a shared budget for all together, of a team for each member."""
    warning: warnings.Standing | None
    """Against the budget warning of its own; None of what whoever asks may not see."""
    alerts: Open | None
    pace: LimitOutlook | None = None
    """When a shared budget is used up; None where that cannot be reckoned yet."""

    @property
    def tone(self) -> str:
        return "good" if self.cap is None else columns.tone(self.used, self.cap)


def group_head(request: HttpRequest, group: Group, *, now: datetime) -> GroupHead:
    """Return what a group used of its limit in this calendar month."""
    month, organization = month_of(now), group.organization
    may = request.user.has_perm
    warning = warnings.warning_about(group, now=now) if may(VIEW_WARNING) else None
    seen = open_on(group, now=now) if may(VIEW_ALERT) else None
    if group.kind == Group.Kind.ENTITY:
        (taken,) = used.of_entity_groups(organization, [group], month)
        cap = limits.entity_group_caps([group])[group.pk]
        return GroupHead(True, taken, cap, warning, seen, limit_pace(group, now=now))
    (taken,) = used.of_user_groups(organization, [group], month)
    cap = limits.team_caps(organization, [group])[group.pk]
    return GroupHead(False, taken, cap, warning, seen)
