"""Which caps apply to whom. Every screen, every contract and every decision reads these functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, QuerySet

from organizations.models import Actor, Group, Membership, Organization, UsageProfile
from usage.models import Limit

Scope = Limit.Scope
Cap = Decimal | None
"""Null is no limit, 0 is nothing."""


@dataclass(frozen=True)
class ActorTerms:
    """What applies to one actor, wherever it comes from."""

    cap: Cap
    has_own_limit: bool
    tiers: frozenset[str]
    profile: UsageProfile
    entity_group: Group | None


def standard_profile() -> UsageProfile:
    """Return the system's profile of everybody who has no other."""
    return UsageProfile.objects.get(organization=None, slug=UsageProfile.STANDARD)


def default_profile(organization: Organization) -> UsageProfile:
    """Return the profile of an organization's actors that have no other."""
    return organization.default_profile or standard_profile()


def default_cap(organization: Organization) -> Cap:
    """Return the cap of an actor without a limit, a profile or a team: what PATCH `userDefaultCredits` sets."""
    rows = Limit.objects.filter(organization=organization, scope=Scope.ACTOR_DEFAULT)
    # In the order of the index that finds it: by its id it would be looked for among all limits.
    row = rows.order_by("organization_id", "scope", "actor_id").first()
    return row.cap if row else default_profile(organization).credit_cap_per_month


def actor_terms(
    organization: Organization, actors: Sequence[Actor], *, default: UsageProfile | None = None
) -> dict[UUID, ActorTerms]:
    """Return what applies to each of these actors of an organization.

    Its own limit; else the most permissive of its own profile and, for each team, the team's limit or else its profile; else the
    organization's default limit; else its default profile; else Standard. Tiers: all that its own and its teams' profiles allow, else
    those of the default profile.

    :param default: that profile, if the caller has it
    """
    memberships = Membership.objects.filter(actor__in=actors).select_related("group__profile")
    groups: dict[UUID, list[Group]] = {actor.id: [] for actor in actors}
    for membership in memberships:
        groups[membership.actor_id].append(membership.group)
    limits = _Limits.of(organization, actors, [m.group for m in memberships])
    fallback = default or default_profile(organization)
    return {actor.id: _terms(actor, groups[actor.id], limits, fallback) for actor in actors}


class _Limits:
    """The limits of an organization that may matter to some actors."""

    def __init__(self, rows: Iterable[Limit]) -> None:
        self.of_actor: dict[UUID, Cap] = {}
        self.of_group: dict[UUID, Cap] = {}
        self.default: dict[str, Cap] = {}
        for row in rows:
            if row.actor_id is not None:
                self.of_actor[row.actor_id] = row.cap
            elif row.group_id is not None:
                self.of_group[row.group_id] = row.cap
            else:
                self.default[row.scope] = row.cap

    @classmethod
    def of(
        cls, organization: Organization, actors: Iterable[Actor], groups: Iterable[Group]
    ) -> "_Limits":
        """Return those that may matter to some actors and groups, read in one query."""
        return cls(_about(actors, groups).filter(organization=organization))

    def of_team(self, team: Group) -> list[Cap]:
        """The cap that a team gives each member, if it gives one: its limit, its profile's, the default of teams."""
        if team.id in self.of_group:
            return [self.of_group[team.id]]
        if team.profile is not None:
            return [team.profile.credit_cap_per_month]
        return [self.default[Scope.TEAM_DEFAULT]] if Scope.TEAM_DEFAULT in self.default else []


def _about(actors: Iterable[Actor], groups: Iterable[Group]) -> QuerySet[Limit]:
    """Return the limits of some actors and groups, and the defaults of actors and teams."""
    defaults = [Scope.ACTOR_DEFAULT, Scope.TEAM_DEFAULT]
    return Limit.objects.filter(Q(scope__in=defaults) | Q(actor__in=actors) | Q(group__in=groups))


def _terms(
    actor: Actor, groups: Sequence[Group], limits: _Limits, fallback: UsageProfile
) -> ActorTerms:
    teams = [group for group in groups if group.kind == Group.Kind.TEAM]
    own = [actor.profile] if actor.profile is not None else []
    profiles = [*own, *(team.profile for team in teams if team.profile is not None)] or [fallback]
    return ActorTerms(
        cap=_cap(actor, own, teams, limits, fallback),
        has_own_limit=actor.id in limits.of_actor,
        tiers=frozenset(tier for profile in profiles for tier in profile.allowed_model_tiers),
        profile=max(profiles, key=lambda profile: _generosity(profile.credit_cap_per_month)),
        entity_group=next((g for g in groups if g.kind == Group.Kind.ENTITY), None),
    )


def _cap(
    actor: Actor,
    own: Sequence[UsageProfile],
    teams: Sequence[Group],
    limits: _Limits,
    fallback: UsageProfile,
) -> Cap:
    if actor.id in limits.of_actor:
        return limits.of_actor[actor.id]
    given = [profile.credit_cap_per_month for profile in own]
    given += [cap for team in teams for cap in limits.of_team(team)]
    if given:
        return max(given, key=_generosity)
    return limits.default.get(Scope.ACTOR_DEFAULT, fallback.credit_cap_per_month)


def _generosity(cap: Cap) -> tuple[bool, Decimal]:
    """Order caps by what they admit: no limit before any number."""
    return (cap is None, cap if cap is not None else Decimal(0))


def caps_of(actors: Sequence[Actor]) -> dict[UUID, Cap]:
    """Return the cap of each of these actors, of any organizations, as `actor_terms` has it: in as many statements for many as for few.

    :param actors: each with its profile, and with its organization and the default profile of that
    """
    memberships = Membership.objects.filter(actor__in=actors).select_related("group__profile")
    groups: dict[UUID, list[Group]] = {actor.id: [] for actor in actors}
    for membership in memberships:
        groups[membership.actor_id].append(membership.group)
    owners = {actor.organization_id: actor.organization for actor in actors}
    rows: dict[UUID, list[Limit]] = {id: [] for id in owners}
    of_groups = {group.id: group for each in groups.values() for group in each}
    for row in _about(actors, of_groups.values()).filter(organization__in=owners):
        rows[row.organization_id].append(row)
    limits = {id: _Limits(found) for id, found in rows.items()}
    standard = standard_profile() if actors else None
    found: dict[UUID, Cap] = {}
    for actor in actors:
        fallback = actor.organization.default_profile or standard
        assert fallback is not None
        own = limits[actor.organization_id]
        found[actor.id] = _terms(actor, groups[actor.id], own, fallback).cap
    return found


def entity_group_caps(groups: Sequence[Group]) -> dict[UUID, Cap]:
    """Return the shared cap of each of these entity groups, of any organizations: its own limit, else the default there, else none."""
    owners = {group.organization_id for group in groups}
    rows = Limit.objects.filter(
        Q(scope=Scope.ENTITY_DEFAULT) | Q(group__in=groups), organization__in=owners
    )
    caps = {(row.organization_id, row.group_id): row.cap for row in rows}
    return {
        group.id: caps.get(
            (group.organization_id, group.id), caps.get((group.organization_id, None))
        )
        for group in groups
    }


def team_caps(organization: Organization, teams: Sequence[Group]) -> dict[UUID, Cap]:
    """Return the cap that each of these teams gives every member: its own limit, else its profile's, else the default, else none."""
    limits = _Limits.of(organization, [], teams)
    return {team.id: next(iter(limits.of_team(team)), None) for team in teams}


def resource_cap(organization: Organization, resource_type: str, resource_id: str) -> Cap:
    """Return the budget of one app or dataset, if it has one."""
    row = Limit.objects.filter(
        organization=organization,
        scope=Scope.RESOURCE,
        actor=None,  # these two lead the index, so that it is one look and not one for each budget
        group=None,
        resource_type=resource_type,
        resource_id=resource_id,
    ).first()
    return row.cap if row else None
