"""The sandbox of an organization: made with its first test key, and made anew whenever somebody asks.

A test key is a key of the sandbox, so whatever it says is said of the sandbox, by the same code as everything else. What decides about
spending is copied when a sandbox is made: the terms, thresholds, default limits and budgets, customer prices, usage profiles, models that are enabled.
Actors and groups are not: a sandbox begins without anybody.

Locks: the rows of live organizations first, parent before child, then wallets of sandboxes. Nobody who has one of those waits for the
row of a live organization.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from credits.services import close_sandbox, create_actor, open_sandbox, suspend
from organizations.history import LENGTH, UNSAID, sign
from organizations.ids import new_id
from organizations.models import Actor, ApiKey, Organization, UsageProfile
from organizations.services import OrganizationArchived
from usage.models import CustomerPrice, Limit, Thresholds
from usage.services.profiles import create_profile

Status = Organization.Status

_COPIED_LIMITS = (
    Limit.Scope.RESOURCE,
    Limit.Scope.ACTOR_DEFAULT,
    Limit.Scope.TEAM_DEFAULT,
    Limit.Scope.ENTITY_DEFAULT,
)
"""Those that are nobody's own."""


class MadeInASandbox(Exception):
    """The organization was made within a sandbox: there is no live one that it is the sandbox of."""


class Reset(NamedTuple):
    """What resetting a sandbox did."""

    sandbox: Organization
    moved_keys: int
    """Test keys that opened the old one and open the new one, children's included."""


@transaction.atomic(savepoint=False)
def sandbox_for(
    *, organization: Organization, now: datetime, performed_by: str = UNSAID
) -> Organization:
    """Return the sandbox of an organization, made if there is none; of a sandbox, itself.

    :raises OrganizationArchived: if the organization is archived
    """
    if organization.is_sandbox:
        return organization
    return _found_or_made(_lock(organization), performed_by=performed_by, now=now)


@transaction.atomic(savepoint=False)
def reset_sandbox(
    *, organization: Organization, now: datetime, performed_by: str = UNSAID
) -> Reset:
    """Archive the sandbox of an organization and make another, with everybody's test keys; its children's likewise.

    Holds in it end, and what was made in it (children, actors) is archived with it, and keys of such children are revoked. Test keys go
    on in the new one; a personal key takes its actor along. Where the old one was suspended, so is the new one.

    :param organization: the live one, or its sandbox
    :raises MadeInASandbox: if it is neither
    :raises OrganizationArchived: if it is archived
    """
    named = organization.sandbox_of if organization.is_sandbox else organization
    if named is None:
        raise MadeInASandbox(f"{organization.public_id} was made in a sandbox: reset its parent")
    live = _lock(named)
    with_sandbox = live.children.filter(sandboxes__in=in_use())
    children = with_sandbox.select_for_update(no_key=True, of=("self",)).order_by("id")
    before = [(each, sandbox_in_use(each)) for each in (live, *children)]
    if (own := sandbox_in_use(live)) is not None:
        close_sandbox(sandbox=own, performed_by=performed_by, now=now)
    moved = 0
    for each, old in before:
        new = _found_or_made(each, performed_by=performed_by, now=now)
        if old is None:
            continue
        moved += _move_keys(old, new, performed_by=performed_by, now=now)
        if old.status == Status.SUSPENDED:
            suspend(organization=new, performed_by=performed_by, now=now)
    return Reset(_found_or_made(live, performed_by=performed_by, now=now), moved)


def in_use() -> QuerySet[Organization]:
    """Return the sandboxes that were not reset."""
    return Organization.objects.filter(sandbox_of__isnull=False).exclude(status=Status.ARCHIVED)


def sandbox_in_use(live: Organization) -> Organization | None:
    """Return the sandbox of a live organization, if it has one."""
    return in_use().filter(sandbox_of=live).first()


def _lock(live: Organization) -> Organization:
    """Lock the row of a live organization, after its parent's, so that of two at once one makes its sandbox."""
    if live.parent_id is not None:
        Organization.objects.select_for_update(no_key=True).get(id=live.parent_id)
    current = Organization.objects.select_for_update(no_key=True).get(id=live.id)
    if current.status == Status.ARCHIVED:
        raise OrganizationArchived(f"{current.public_id} is archived")
    return current


def _found_or_made(live: Organization, *, performed_by: str, now: datetime) -> Organization:
    found = sandbox_in_use(live)
    if found is not None:
        return found
    parent = live.parent and _found_or_made(live.parent, performed_by=performed_by, now=now)
    made = open_sandbox(live=live, parent=parent, performed_by=performed_by, now=now)
    profiles = _copy_profiles(live, made, performed_by=performed_by, now=now)
    default = live.default_profile_id
    if default is not None:
        made.default_profile_id = profiles.get(default, default)
        sign(made, performed_by=performed_by, now=now)
        made.save(update_fields=["default_profile"])
    _copy_limits(live, made, performed_by=performed_by, now=now)
    return made


def _copy_profiles(
    live: Organization, made: Organization, *, performed_by: str, now: datetime
) -> dict[UUID, UUID]:
    """Copy an organization's own profiles; return which one stands for which."""
    fields = ("name", "slug", "description", "credit_cap_per_month")
    lists = ("allowed_model_tiers", "features")
    return {
        own.id: create_profile(
            organization=made,
            performed_by=performed_by,
            now=now,
            **{name: getattr(own, name) for name in (*fields, *lists)},
        ).id
        for own in live.usage_profiles.order_by("created_at", "id")
    }


def _copy_limits(
    live: Organization, made: Organization, *, performed_by: str, now: datetime
) -> None:
    thresholds = Thresholds.objects.filter(organization=live).first()
    if thresholds is not None:
        thresholds.organization = made
        sign(thresholds, performed_by=performed_by, now=now)
        thresholds.save(force_insert=True)
    copies = []
    for limit in live.limits.filter(scope__in=_COPIED_LIMITS).order_by("id"):
        limit.pk, limit.organization = new_id(), made
        limit.created_at = limit.updated_at = now
        copies.append(limit)
    prices = list(live.customer_prices.order_by("id"))
    for price in prices:
        price.pk, price.organization = None, made
    bulk_create_with_history(prices, CustomerPrice, default_change_reason=performed_by[:LENGTH])
    bulk_create_with_history(copies, Limit, default_change_reason=performed_by[:LENGTH])


def _move_keys(old: Organization, new: Organization, *, performed_by: str, now: datetime) -> int:
    """Let the keys of a closed sandbox open the one after it. A key that is being rotated in the old one is refused there."""
    rows = ApiKey.objects.filter(organization=old, revoked_at__isnull=True)
    keys = list(rows.select_for_update(no_key=True, of=("self",)).select_related("actor__profile"))
    profiles = {profile.slug: profile for profile in new.usage_profiles.all()}
    actors = {key.actor_id: key.actor for key in keys if key.actor}
    people = {
        id: _move_actor(actor, new, profiles, performed_by=performed_by, now=now)
        for id, actor in actors.items()
    }
    for key in keys:
        key.organization, key.actor = new, people.get(key.actor_id)
    bulk_update_with_history(
        keys,
        ApiKey,
        ["organization", "actor"],
        default_change_reason=performed_by[:LENGTH],
        default_date=now,
    )
    return len(keys)


def _move_actor(
    actor: Actor,
    new: Organization,
    profiles: Mapping[str, UsageProfile],
    *,
    performed_by: str,
    now: datetime,
) -> Actor:
    """Return an actor of a new sandbox who stands for one of the old."""
    profile = actor.profile
    if profile is not None and profile.organization_id is not None:
        profile = profiles.get(profile.slug)
    return create_actor(
        organization=new,
        name=actor.name,
        kind=actor.kind,
        email=actor.email,
        external_id=actor.external_id,
        profile=profile,
        active=actor.active,
        performed_by=performed_by,
        now=now,
    )
