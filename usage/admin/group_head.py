"""What stands at the head of a group's page: what it used this month, and of what."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from credits.periods import month_of
from organizations.models import Group
from usage.admin import columns
from usage.services import limits, used


class GroupHead(NamedTuple):
    """What stands at the head of a group's page: what was used this month, in credits, and of what."""

    is_shared: bool
    used: Decimal
    cap: Decimal | None
    """Of a shared budget for all together, of a team for each member."""

    @property
    def tone(self) -> str:
        return "good" if self.cap is None else columns.tone(self.used, self.cap)


def group_head(group: Group, *, now: datetime) -> GroupHead:
    """Return what a group used of its limit in this calendar month."""
    month, organization = month_of(now), group.organization
    if group.kind == Group.Kind.ENTITY:
        (taken,) = used.of_entity_groups(organization, [group], month)
        return GroupHead(True, taken, limits.entity_group_caps(organization, [group])[group.pk])
    (taken,) = used.of_user_groups(organization, [group], month)
    return GroupHead(False, taken, limits.team_caps(organization, [group])[group.pk])
