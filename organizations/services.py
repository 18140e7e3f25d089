"""Minting, rotating and revoking API keys; what an organization says of itself; whether it may act.

Creating, suspending and archiving organizations touch wallets, so they live in `credits`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from organizations import scopes as scope
from organizations import tokens, wire
from organizations.ids import new_id
from organizations.models import Actor, ApiKey, Organization

GRACE = timedelta(hours=24)
"""How long the old secret still works after a rotation."""
MAX_METADATA_KEYS = 50
MAX_METADATA_BYTES = 16 * 1024
"""Of the metadata as JSON."""


class OrganizationSuspended(Exception):
    """The organization is switched off: its keys open nothing and it spends nothing."""


class OrganizationArchived(Exception):
    """The organization is closed for good."""


class ScopeNotDelegable(Exception):
    """A key gives only what it has, and never `org:admin`."""


class MetadataTooLarge(Exception):
    """Together with what is there already, that is more metadata than an organization may have."""


class KeyNotCurrent(Exception):
    """The key was revoked, has expired, or was rotated before: only a live key can be rotated."""


def status_in_force(organization: Organization) -> Organization.Status:
    """Return the status that decides what an organization may do: its own, but suspended while its parent is."""
    status = Organization.Status(organization.status)
    above = organization.parent
    stopped = above is not None and above.status != Organization.Status.ACTIVE
    return Organization.Status.SUSPENDED if stopped and status == "active" else status


def require_active(organization: Organization) -> None:
    """Do nothing if the organization is active, and its parent too.

    :raises OrganizationSuspended: if it or its parent is suspended
    :raises OrganizationArchived: if it is archived
    """
    status = status_in_force(organization)
    if status == Organization.Status.SUSPENDED:
        raise OrganizationSuspended(f"{organization.public_id} is suspended")
    if status == Organization.Status.ARCHIVED:
        raise OrganizationArchived(f"{organization.public_id} is archived")


@transaction.atomic(savepoint=False)
def update_organization(
    *, organization: Organization, changes: Mapping[str, Any], now: datetime
) -> Organization:
    """Change what an organization says of itself, or on what terms it uses AI; what is not named stays.

    Metadata merges key by key, under the row's lock so that two merges at once both last: a text sets, an empty one removes the key,
    and None instead of a mapping removes all of them.

    :raises MetadataTooLarge: if the merged metadata has too many keys, or is too long
    """
    current = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
    for name, value in changes.items():
        setattr(current, name, _merged(current.metadata, value) if name == "metadata" else value)
    if changes:
        current.updated_at = now
        current.save(update_fields=[*changes, "updated_at"])
    return current


def _merged(metadata: dict[str, str], changes: Mapping[str, str] | None) -> dict[str, str]:
    if changes is None:
        return {}
    merged = {key: text for key, text in {**metadata, **changes}.items() if changes.get(key) != ""}
    if len(merged) > MAX_METADATA_KEYS or len(wire.dumps(merged)) > MAX_METADATA_BYTES:
        raise MetadataTooLarge("metadata: at most 50 keys and 16 kB, after the merge")
    return merged


@transaction.atomic(savepoint=False)
def mint_key(
    *,
    organization: Organization,
    name: str,
    scopes: Collection[str],
    now: datetime,
    env: str = ApiKey.Env.LIVE,
    tier: str = ApiKey.Tier.STANDARD,
    delegable: Collection[str] = scope.ALL_SCOPES,
    expires_at: datetime | None = None,
    actor: Actor | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key and its text, which nobody can read again.

    `delegable` is what may be given: from a key, its own scopes without `org:admin`; from staff, all.

    :param actor: whose personal key it will be; of the same organization
    :raises ScopeNotDelegable: if `scopes` reach beyond it
    :raises OrganizationArchived: if the organization is archived
    """
    require_delegable(scopes, delegable)
    _lock_open(organization)
    return _create(
        organization=organization,
        name=name,
        scopes=list(scopes),
        now=now,
        env=env,
        tier=tier,
        expires_at=expires_at,
        actor=actor,
    )


@transaction.atomic(savepoint=False)
def rotate_key(
    *, key: ApiKey, now: datetime, reach: Collection[str] = scope.ALL_SCOPES
) -> tuple[ApiKey, str]:
    """Return a key that takes over from `key`, and its text. The old one works for 24 hours more.

    :raises ScopeNotDelegable: if the key opens more than `reach`, what the caller may open itself
    :raises KeyNotCurrent: if it was rotated before, revoked, or has expired
    :raises OrganizationArchived: if the organization is archived
    """
    _lock_open(key.organization)
    old = ApiKey.objects.select_for_update(no_key=True).get(id=key.id)
    require_reach(old, reach)
    if old.superseded_by_id is not None:
        raise KeyNotCurrent(f"{old.public_id} was rotated before")
    if not old.is_live(now):
        raise KeyNotCurrent(f"{old.public_id} is revoked or has expired")
    new, text = _create(
        organization=old.organization,
        name=old.name,
        scopes=old.scopes,
        now=now,
        env=old.env,
        tier=old.rate_limit_tier,
        expires_at=old.expires_at,
        actor=old.actor,
        origin_id=old.origin_id or old.id,
    )
    old.superseded_by, old.rotated_at, old.grace_until = new, now, now + GRACE
    old.save(update_fields=["superseded_by", "rotated_at", "grace_until"])
    return new, text


@transaction.atomic(savepoint=False)
def revoke_key(*, key: ApiKey, now: datetime, reach: Collection[str] = scope.ALL_SCOPES) -> ApiKey:
    """Close a key at once and return it. Revoking it again changes nothing.

    :raises ScopeNotDelegable: if the key opens more than `reach`, what the caller may open itself
    """
    current = ApiKey.objects.select_for_update(no_key=True).get(id=key.id)
    require_reach(current, reach)
    if current.revoked_at is None:
        current.revoked_at = now
        current.save(update_fields=["revoked_at"])
    return current


def live_keys(*, now: datetime) -> QuerySet[ApiKey]:
    """Return the keys that open something at `now`: not revoked, not expired, not past their grace."""
    ends = ("revoked_at", "expires_at", "grace_until")
    return ApiKey.objects.filter(
        *(Q(**{f"{end}__isnull": True}) | Q(**{f"{end}__gt": now}) for end in ends)
    )


def revoke_all_keys(*, organization: Organization, now: datetime) -> int:
    """Close every open key of an organization and return how many there were.

    The caller has changed the organization's row in the same transaction, so a key that is being minted
    meanwhile is either seen here or refused there.
    """
    return organization.api_keys.filter(revoked_at__isnull=True).update(revoked_at=now)


def _lock_open(organization: Organization) -> None:
    current = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
    if current.status == Organization.Status.ARCHIVED:
        raise OrganizationArchived(f"{current.public_id} is archived")


def require_delegable(scopes: Collection[str], delegable: Collection[str]) -> None:
    """Refuse to give what may not be given.

    :raises ScopeNotDelegable: if `scopes` reach beyond `delegable`
    """
    excess = scope.effective(scopes) - set(delegable)
    if excess:
        raise ScopeNotDelegable(f"may not be given: {', '.join(sorted(excess))}")


def require_reach(key: ApiKey, reach: Collection[str]) -> None:
    """Refuse to touch a key that opens more than `reach`.

    :raises ScopeNotDelegable: if it does
    """
    excess = scope.effective(key.scopes) - set(reach)
    if excess:
        raise ScopeNotDelegable(f"the key opens more than yours: {', '.join(sorted(excess))}")


def _create(
    *,
    organization: Organization,
    name: str,
    scopes: list[str],
    now: datetime,
    env: str,
    tier: str,
    expires_at: datetime | None,
    actor: Actor | None,
    origin_id: UUID | None = None,
) -> tuple[ApiKey, str]:
    key_id = new_id()
    text = tokens.new(env=env, key_id=key_id)
    key = ApiKey.objects.create(
        id=key_id,
        organization=organization,
        name=name,
        scopes=scopes,
        env=env,
        rate_limit_tier=tier,
        secret_hash=tokens.digest(text),
        hashed_under=tokens.secret_name(),
        created_at=now,
        expires_at=expires_at,
        actor=actor,
        origin_id=origin_id,
    )
    return key, text
