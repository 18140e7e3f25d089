"""Groups and who is in them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from credits.models import UsageCounter
from credits.services.actors import require_own_profile
from organizations.history import UNSAID, delete_signed, sign
from organizations.models import Actor, Group, Membership, Organization, UsageProfile
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
    _require_fitting(group.organization, group.kind, changes.get("profile"))
    for name, value in changes.items():
        setattr(group, name, value)
    group.updated_at = now
    sign(group, performed_by=performed_by, now=now)
    group.save(update_fields=[*changes, "updated_at"])
    return group


@transaction.atomic(savepoint=False)
def delete_group(*, group: Group, performed_by: str = UNSAID) -> None:
    """Delete a group with its memberships and its limit.

    :raises GroupInUse: if work was counted against it
    """
    # What refers to it is looked for once it is locked: a limit that is being set is seen, or waits.
    Group.objects.select_for_update().filter(pk=group.pk).first()
    # Work that names a group is counted in its counters: no need to look through the work.
    if UsageCounter.objects.filter(group=group).exists():
        raise GroupInUse(f"work was counted against {group.key}")
    sign(group, performed_by=performed_by)
    try:
        for rows in (Membership.objects.filter(group=group), Limit.objects.filter(group=group)):
            delete_signed(list(rows), performed_by=performed_by)
        group.delete()
    except ProtectedError as error:
        raise GroupInUse(f"work was counted against {group.key}") from error


@transaction.atomic(savepoint=False)
def add_member(*, group: Group, actor: Actor, performed_by: str = UNSAID) -> None:
    """Make an actor a member of a group of its organization; a member stays one.

    :raises InAnotherEntityGroup: if the actor is in another entity group
    """
    Actor.objects.select_for_update(no_key=True).get(pk=actor.pk)
    elsewhere = actor.memberships.filter(kind=Group.Kind.ENTITY).exclude(group=group)
    if group.kind == Group.Kind.ENTITY and elsewhere.exists():
        raise InAnotherEntityGroup(f"{actor.public_id} is in another entity group")
    # The actor is locked, so nobody else makes him one meanwhile.
    if Membership.objects.filter(group=group, actor=actor).exists():
        return
    membership = Membership(
        group=group, actor=actor, organization=group.organization, kind=group.kind
    )
    sign(membership, performed_by=performed_by)
    membership.save(force_insert=True)


@transaction.atomic(savepoint=False)
def remove_member(*, group: Group, actor: Actor, performed_by: str = UNSAID) -> None:
    """End a membership, if there is one. Holds that are open keep the counters they have."""
    membership = Membership.objects.filter(group=group, actor=actor).first()
    if membership is not None:
        sign(membership, performed_by=performed_by)
        membership.delete()


@transaction.atomic(savepoint=False)
def set_members(*, group: Group, members: Collection[Actor], performed_by: str) -> None:
    """Make these actors the members of a group, and nobody else.

    :raises InAnotherEntityGroup: if one of them is in another entity group
    """
    present = {actor.pk: actor for actor in group.members.all()}
    wanted = {actor.pk: actor for actor in members}
    for pk in sorted(present.keys() - wanted.keys()):
        remove_member(group=group, actor=present[pk], performed_by=performed_by)
    for pk in sorted(wanted.keys() - present.keys()):
        add_member(group=group, actor=wanted[pk], performed_by=performed_by)


def _require_fitting(organization: Organization, kind: str, profile: UsageProfile | None) -> None:
    require_own_profile(organization, profile)
    if profile is not None and kind != Group.Kind.TEAM:
        raise ProfileIsForTeams("only a team carries a profile")
