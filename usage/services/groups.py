"""Groups and who is in them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from simple_history.utils import bulk_create_with_history

from credits.models import UsageCounter
from credits.services.actors import require_own_profile
from credits.services.locking import lock_terms
from organizations.history import LENGTH, UNSAID, delete_signed, sign
from organizations.models import Actor, BudgetWarning, Group, Membership, Organization, UsageProfile
from usage.models import Limit


class InAnotherEntityGroup(Exception):
    """An actor is in at most one entity group: the bucket that it counts against."""


class GroupInUse(Exception):
    """Work was counted against the group: it can be emptied, but not deleted."""


class ProfileIsForTeams(Exception):
    """Only a team carries a usage profile."""


@transaction.atomic(savepoint=False)
def create_group(
    *,
    organization: Organization,
    kind: str,
    key: str,
    name: str,
    now: datetime,
    profile: UsageProfile | None = None,
    performed_by: str = UNSAID,
) -> Group:
    """Create a group.

    :raises credits.services.ForeignProfile: if the profile is another organization's
    :raises ProfileIsForTeams: if an entity group is given one
    :raises django.db.IntegrityError: if the organization has a group of that kind and key
    """
    _require_fitting(organization, kind, profile)
    group = Group(
        organization=organization,
        kind=kind,
        key=key,
        name=name,
        profile=profile,
        created_at=now,
        updated_at=now,
    )
    sign(group, performed_by=performed_by, now=now)
    group.save(force_insert=True)
    return group


@transaction.atomic(savepoint=False)
def update_group(
    *, group: Group, changes: dict[str, Any], now: datetime, performed_by: str = UNSAID
) -> Group:
    """Change a group; what is not named stays.

    :raises credits.services.ForeignProfile: if the profile is another organization's
    :raises ProfileIsForTeams: if an entity group is given one
    :raises django.db.IntegrityError: if the key is taken
    """
    lock_terms(group.organization_id)
    _require_fitting(group.organization, group.kind, changes.get("profile"))
    for name, value in changes.items():
        setattr(group, name, value)
    group.updated_at = now
    sign(group, performed_by=performed_by, now=now)
    group.save(update_fields=[*changes, "updated_at"])
    return group


@transaction.atomic(savepoint=False)
def delete_group(*, group: Group, performed_by: str = UNSAID) -> None:
    """Delete a group with its memberships, its limit and its budget warning.

    :raises GroupInUse: if work was counted against it
    """
    lock_terms(group.organization_id)
    # What refers to it is looked for once it is locked: work that is being counted is seen, or waits.
    Group.objects.select_for_update().filter(pk=group.pk).first()
    # Work that names a group is counted in its counters: no need to look through the work.
    if UsageCounter.objects.filter(group=group).exists():
        raise GroupInUse(f"work was counted against {group.key}")
    sign(group, performed_by=performed_by)
    try:
        for its in (Membership, Limit, BudgetWarning):
            rows = its._default_manager.filter(group=group)
            delete_signed(list(rows), performed_by=performed_by)
        group.delete()
    except ProtectedError as error:
        raise GroupInUse(f"work was counted against {group.key}") from error


@transaction.atomic(savepoint=False)
def add_member(*, group: Group, actor: Actor, performed_by: str = UNSAID) -> None:
    """Make an actor a member of a group of its organization; a member stays one.

    :raises InAnotherEntityGroup: if the actor is in another entity group
    """
    lock_terms(group.organization_id)
    _require_nowhere_else(group, [actor])
    if not Membership.objects.filter(group=group, actor=actor).exists():
        _admit(group, [actor], performed_by=performed_by)


@transaction.atomic(savepoint=False)
def remove_member(*, group: Group, actor: Actor, performed_by: str = UNSAID) -> None:
    """End a membership, if there is one. Holds that are open keep the counters they have."""
    lock_terms(group.organization_id)
    _dismiss(Membership.objects.filter(group=group, actor=actor), performed_by=performed_by)


@transaction.atomic(savepoint=False)
def set_members(*, group: Group, members: Collection[Actor], performed_by: str) -> None:
    """Make these actors the members of a group, and nobody else: one statement for who leaves, one for who comes.

    :raises InAnotherEntityGroup: if one of them is in another entity group
    """
    lock_terms(group.organization_id)
    memberships = Membership.objects.filter(group=group)
    _dismiss(memberships.exclude(actor__in=members), performed_by=performed_by)
    present = set(memberships.values_list("actor_id", flat=True))
    wanted = {actor.pk: actor for actor in members if actor.pk not in present}
    newcomers = [wanted[pk] for pk in sorted(wanted)]
    _require_nowhere_else(group, newcomers)
    _admit(group, newcomers, performed_by=performed_by)


def _require_nowhere_else(group: Group, actors: Collection[Actor]) -> None:
    """Refuse who is in another entity group, if this is one. Their wallet is locked, so nobody makes them a member meanwhile."""
    if group.kind != Group.Kind.ENTITY:
        return
    elsewhere = Membership.objects.filter(actor__in=actors, kind=Group.Kind.ENTITY)
    first = elsewhere.exclude(group=group).select_related("actor").order_by("actor_id").first()
    if first is not None:
        raise InAnotherEntityGroup(f"{first.actor.public_id} is in another entity group")


def _admit(group: Group, actors: Collection[Actor], *, performed_by: str) -> None:
    memberships = [
        Membership(group=group, actor=actor, organization_id=group.organization_id, kind=group.kind)
        for actor in actors
    ]
    if memberships:
        bulk_create_with_history(
            memberships, Membership, default_change_reason=performed_by[:LENGTH]
        )


def _dismiss(memberships: QuerySet[Membership], *, performed_by: str) -> None:
    delete_signed(list(memberships.order_by("id")), performed_by=performed_by)


def _require_fitting(organization: Organization, kind: str, profile: UsageProfile | None) -> None:
    require_own_profile(organization, profile)
    if profile is not None and kind != Group.Kind.TEAM:
        raise ProfileIsForTeams("only a team carries a profile")
