"""Minting, rotating and revoking API keys; what an organization says of itself; whether it may act.

Creating, editing, suspending and archiving organizations touch wallets, so they live in `credits`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from simple_history.utils import bulk_update_with_history

from organizations import scopes as scope
from organizations import tokens, wire
from organizations.history import LENGTH, UNSAID, sign
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


class KeyOutlivesMinter(Exception):
    """A key ends no later than the one that mints it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.details = {"fields": {"expiresAt": [message]}}


class MetadataTooLarge(Exception):
    """Together with what is there already, that is more metadata than an organization may have."""


class KeyNotCurrent(Exception):
    """The key was revoked, has expired, or was rotated before: only a current key is rotated, rotates, or mints."""


def status_in_force(organization: Organization) -> Organization.Status:
    """Return the status that decides what an organization may do: the strictest of its own and of those that it depends on.

    A child depends on its parent, a sandbox on the organization that it is of.
    """
    is_alone = organization.parent_id is None and organization.sandbox_of_id is None
    if is_alone and organization.status == Organization.Status.ACTIVE:
        return Organization.Status.ACTIVE
    statuses = {each.status for each in _depended_on(organization)}
    strict = (Organization.Status.ARCHIVED, Organization.Status.SUSPENDED)
    return next((status for status in strict if status in statuses), Organization.Status.ACTIVE)


def _depended_on(organization: Organization) -> Iterator[Organization]:
    yield organization
    for above in (organization.parent, organization.sandbox_of):
        if above is not None:
            yield from _depended_on(above)


def require_active(organization: Organization) -> None:
    """Do nothing if the organization is active, and whom it depends on too.

    :raises OrganizationSuspended: if it or its parent is suspended
    :raises OrganizationArchived: if it is archived
    """
    status = status_in_force(organization)
    if status == Organization.Status.SUSPENDED:
        raise OrganizationSuspended(f"{organization.public_id} is suspended")
    if status == Organization.Status.ARCHIVED:
        raise OrganizationArchived(f"{organization.public_id} is archived")


def merged_metadata(
    metadata: Mapping[str, str], changes: Mapping[str, str] | None
) -> dict[str, str]:
    """Return metadata with changes merged key by key: a text sets, an empty one removes the key, and None instead of a mapping removes all.

    :raises MetadataTooLarge: if the result has too many keys, or is too long
    """
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
    tier: str = ApiKey.Tier.STANDARD,
    delegable: Collection[str] = scope.ALL_SCOPES,
    expires_at: datetime | None = None,
    actor: Actor | None = None,
    minter: ApiKey | None = None,
    prepared: tokens.Prepared | None = None,
    performed_by: str = UNSAID,
) -> tuple[ApiKey, str]:
    """Return a new key and its text, which nobody can read again. Of a sandbox it is a test key, whatever the tier asked for.

    `delegable` is what may be given: from a key, its own scopes without `org:admin`; from staff, what they may do themselves.

    :param expires_at: when it ends; with its minter unless said
    :param actor: whose personal key it will be; of the same organization
    :param minter: the key that asks, if it is one: what it mints ends no later than itself
    :param prepared: the key, if its text was told before: then it is not told again
    :param performed_by: who asks, if it is no key
    :raises ScopeNotDelegable: if `scopes` reach beyond what is delegable
    :raises KeyOutlivesMinter: if it would
    :raises KeyNotCurrent: if the minter was rotated, revoked, or has expired
    :raises OrganizationArchived: if the organization is archived
    """
    require_delegable(scopes, delegable)
    _lock_open(organization)
    if minter is not None:
        performed_by = minter.public_id
        expires_at = _end_under(minter, expires_at, now=now)
    return _create(
        organization=organization,
        name=name,
        scopes=list(scopes),
        now=now,
        tier=tier,
        expires_at=expires_at,
        actor=actor,
        performed_by=performed_by,
        prepared=prepared,
    )


@transaction.atomic(savepoint=False)
def rotate_key(
    *,
    key: ApiKey,
    now: datetime,
    reach: Collection[str] = scope.ALL_SCOPES,
    leaked: bool = False,
    rotator: ApiKey | None = None,
    performed_by: str = UNSAID,
) -> tuple[ApiKey, str]:
    """Return a key that takes over from `key`, and its text. The old one works for 24 hours more, or if it leaked, no more.

    :param rotator: the key that asks, if it is one: it is told a secret, so that ends no later than either of them
    :param performed_by: who asks, if it is no key
    :raises ScopeNotDelegable: if the key opens more than `reach`, what the caller may open itself
    :raises KeyNotCurrent: if it was rotated before, revoked, or has expired; or if that is so of the one that asks
    :raises OrganizationArchived: if the organization is archived
    """
    _lock_open(key.organization)
    old, *others = _lock_keys(key, *([rotator] if rotator else []))
    require_reach(old, reach)
    _require_current(old, now=now)
    for other in others:
        _require_current(other, now=now)
    ends = [each.expires_at for each in (old, *others) if each.expires_at is not None]
    author = rotator.public_id if rotator else performed_by
    new, text = _create(
        organization=old.organization,
        name=old.name,
        scopes=old.scopes,
        now=now,
        tier=old.rate_limit_tier,
        expires_at=min(ends, default=None),
        actor=old.actor,
        origin_id=old.origin_id or old.id,
        performed_by=author,
    )
    old.superseded_by, old.rotated_at = new, now
    old.grace_until = now if leaked else now + GRACE
    old.revoked_at = now if leaked else None
    sign(old, performed_by=author, now=now)
    old.save(update_fields=["superseded_by", "rotated_at", "grace_until", "revoked_at"])
    return new, text


@transaction.atomic(savepoint=False)
def revoke_key(
    *, key: ApiKey, now: datetime, and_minted: bool = False, performed_by: str = UNSAID
) -> ApiKey:
    """Close a key at once and return it, whatever it opens and whoever asks. Revoking it again changes nothing.

    :param and_minted: close also every key whose secret was told to it, and to those
    """
    (current,) = _lock_keys(key)
    _revoke([current], performed_by=performed_by, now=now)
    if and_minted:
        _revoke(_minted_by(current), performed_by=performed_by, now=now)
    return current


def live_keys(*, now: datetime) -> QuerySet[ApiKey]:
    """Return the keys that open something at `now`: not revoked, not expired, not past their grace."""
    ends = ("revoked_at", "expires_at", "grace_until")
    return ApiKey.objects.filter(
        *(Q(**{f"{end}__isnull": True}) | Q(**{f"{end}__gt": now}) for end in ends)
    )


def keys_of(organization: Organization) -> QuerySet[ApiKey]:
    """Return the keys that an organization keeps: its own, and the test keys of its sandbox."""
    sides = Q(id=organization.id) | Q(sandbox_of=organization)
    return ApiKey.objects.filter(organization__in=Organization.objects.filter(sides))


@transaction.atomic(savepoint=False)
def revoke_all_keys(
    *, organization: Organization, now: datetime, performed_by: str = UNSAID
) -> int:
    """Close every open key of an organization and of its sandbox, and return how many there were.

    The caller has changed the organization's row in the same transaction, so a key that is being minted
    meanwhile is either seen here or refused there.
    """
    keys = keys_of(organization).filter(revoked_at__isnull=True).order_by("id")
    return _revoke(keys.select_for_update(no_key=True), performed_by=performed_by, now=now)


def _revoke(keys: Iterable[ApiKey], *, performed_by: str, now: datetime) -> int:
    """Close those of these locked keys that are not closed yet, each with its history."""
    still_open = [key for key in keys if key.revoked_at is None]
    for key in still_open:
        key.revoked_at = now
    bulk_update_with_history(
        still_open,
        ApiKey,
        ["revoked_at"],
        default_change_reason=performed_by[:LENGTH],
        default_date=now,
    )
    return len(still_open)


def _minted_by(key: ApiKey) -> list[ApiKey]:
    """Return, locked, the keys whose secrets a key was told: those that it minted or rotated, and what these did."""
    found: list[ApiKey] = []
    tellers = [key.public_id]
    while tellers:
        rows = ApiKey.objects.filter(minted_by__in=tellers).order_by("id")
        told = list(rows.select_for_update(no_key=True))
        found += told
        tellers = [each.public_id for each in told]
    return found


def _lock_open(organization: Organization) -> None:
    current = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
    if current.status == Organization.Status.ARCHIVED:
        raise OrganizationArchived(f"{current.public_id} is archived")


def _lock_keys(*keys: ApiKey) -> list[ApiKey]:
    """Lock keys in the order of their ids, and return each once, in the order given, as it is now."""
    rows = ApiKey.objects.select_for_update(no_key=True).filter(id__in=[key.id for key in keys])
    locked = {key.id: key for key in rows.order_by("id")}
    return [locked[id] for id in dict.fromkeys(key.id for key in keys)]


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
        raise ScopeNotDelegable(
            f"the key opens more than you may give: {', '.join(sorted(excess))}"
        )


def _require_current(key: ApiKey, *, now: datetime) -> ApiKey:
    if key.superseded_by_id is not None:
        raise KeyNotCurrent(f"{key.public_id} was rotated before")
    if not key.is_live(now):
        raise KeyNotCurrent(f"{key.public_id} is revoked or has expired")
    return key


def _end_under(minter: ApiKey, expires_at: datetime | None, *, now: datetime) -> datetime | None:
    """Return when a key ends that this one mints now."""
    (current,) = _lock_keys(minter)
    _require_current(current, now=now)
    require_end_under(current, expires_at)
    return expires_at or current.expires_at


def require_end_under(minter: ApiKey, expires_at: datetime | None) -> None:
    """Refuse an end that a key may not give.

    :raises KeyOutlivesMinter: if it is after its own
    """
    latest = minter.expires_at
    if latest is not None and expires_at is not None and expires_at > latest:
        raise KeyOutlivesMinter(f"ends after the key that mints it, {latest:%Y-%m-%d %H:%M:%S} UTC")


def _create(
    *,
    organization: Organization,
    name: str,
    scopes: list[str],
    now: datetime,
    tier: str,
    expires_at: datetime | None,
    actor: Actor | None,
    performed_by: str,
    origin_id: UUID | None = None,
    prepared: tokens.Prepared | None = None,
) -> tuple[ApiKey, str]:
    text = ""
    if prepared is None:
        prepared, text = tokens.prepare(env=organization.env, key_id=new_id())
    key = ApiKey(
        id=prepared.key_id,
        organization=organization,
        name=name,
        scopes=scopes,
        env=organization.env,
        rate_limit_tier=ApiKey.Tier.SANDBOX if organization.is_sandbox else tier,
        secret_hash=prepared.digest,
        hashed_under=prepared.hashed_under,
        minted_by=performed_by,
        created_at=now,
        expires_at=expires_at,
        actor=actor,
        origin_id=origin_id,
    )
    sign(key, performed_by=performed_by, now=now)
    key.save(force_insert=True)
    return key, text
