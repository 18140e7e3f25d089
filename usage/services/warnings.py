"""Where somebody stands against a budget warning, for the pages that show one."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from credits.models import ZERO, Wallet
from credits.periods import month_of
from organizations.models import Actor, BudgetWarning, Group, Organization
from usage.services import limits, used
from usage.services.noticing.money import share_of

MOST = 20
"""How many warnings a page shows."""


class Standing(NamedTuple):
    """What is used of what a warning is about; None: there is no cap, so nothing is reached."""

    warning: BudgetWarning
    used: Decimal
    of: Decimal | None

    @property
    def reached(self) -> int | None:
        """The highest percentage that is reached; None while none is."""
        share = share_of(self.used, self.of, self.warning.percents)
        return share.level if share else None

    @property
    def said(self) -> str:
        """What is reached, in words."""
        return "of nothing yet" if self.reached is None else f"{self.reached} % is reached"


def standing_of(warning: BudgetWarning, *, now: datetime) -> Standing:
    """Return where whom a warning is about stands now."""
    return _standings(warning.organization, [warning], now)[0]


def standings_of(organization: Organization, *, now: datetime) -> Sequence[Standing]:
    """Return where an organization, and who has a warning in it, stand: the first of them, in as many statements for many as for few."""
    rows = BudgetWarning.objects.filter(organization=organization)
    found = rows.select_related("organization", "actor", "group").order_by("id")[:MOST]
    return _standings(organization, list(found), now)


def warning_about(whose: Actor | Group, *, now: datetime) -> Standing | None:
    """Return where a person or a group stands against their own warning; None where there is none."""
    of = {"actor": whose} if isinstance(whose, Actor) else {"group": whose}
    rows = BudgetWarning.objects.select_related("organization", "actor", "group")
    warning = rows.filter(**of).first()
    return None if warning is None else standing_of(warning, now=now)


def _standings(
    organization: Organization, warnings: Sequence[BudgetWarning], now: datetime
) -> list[Standing]:
    month = month_of(now)
    people = [each.actor for each in warnings if each.actor is not None]
    groups = [each.group for each in warnings if each.group is not None]
    shared = [group for group in groups if group.kind == Group.Kind.ENTITY]
    teams = [group for group in groups if group.kind == Group.Kind.TEAM]
    spent: dict[UUID, Decimal] = {}
    caps: dict[UUID, Decimal | None] = {}
    if people:
        spent |= _by_id(people, used.of_users(organization, people, month))
        terms = limits.actor_terms(organization, people)
        caps |= {id: each.cap for id, each in terms.items()}
    if shared:
        spent |= _by_id(shared, used.of_entity_groups(organization, shared, month))
        caps |= limits.entity_group_caps(shared)
    if teams:
        spent |= _by_id(teams, used.of_user_groups(organization, teams, month))
    found = []
    for each in warnings:
        id = each.actor_id or each.group_id
        if id is None:
            found.append(_of_the_whole(each, now))
            continue
        of = caps.get(id) if each.budget is None else each.budget
        found.append(Standing(each, spent[id], of))
    return found


def _by_id(rows: Sequence[Actor | Group], spent: Sequence[Decimal]) -> dict[UUID, Decimal]:
    return {row.pk: amount for row, amount in zip(rows, spent, strict=True)}


def _of_the_whole(warning: BudgetWarning, now: datetime) -> Standing:
    """Return where an organization stands: against a budget by calendar months, against its cap by billing periods."""
    organization = warning.organization
    if warning.budget is not None:
        return Standing(warning, used.of_organization(organization, month_of(now)), warning.budget)
    wallet = Wallet.objects.select_related("period", "config").get(organization=organization)
    spent = wallet.period.used if wallet.period is not None else ZERO
    return Standing(warning, spent, wallet.config.monthly_cap)
