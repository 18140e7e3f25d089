"""From where on things become an alert for an organization: its own numbers, and for what it does not say those for everybody."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from organizations.models import AlertRule


class Rule(NamedTuple):
    """Null is never. The fields are those of `AlertRule`."""

    near_cap_percent: int | None = None
    cap_within_days: int | None = None
    dry_within_days: int | None = None
    debt_above: Decimal | None = None
    debt_growth: Decimal | None = None
    refusals_at_least: int | None = None
    refusals_factor: Decimal | None = None


def rules_of(ids: Collection[UUID]) -> Mapping[UUID, Rule]:
    """Return the rule that holds for each organization, in one statement."""
    rows = AlertRule.objects.filter(Q(organization=None) | Q(organization__in=ids))
    said = {row["organization_id"]: row for row in rows.values("organization_id", *Rule._fields)}
    usual = said.get(None, {})
    return {id: _rule(said.get(id, {}), usual) for id in ids}


def _rule(own: Mapping[str, object], usual: Mapping[str, object]) -> Rule:
    return Rule._make(
        usual.get(name) if own.get(name) is None else own[name] for name in Rule._fields
    )
