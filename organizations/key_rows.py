"""A key as a statement reads it, with all that is needed of whose it is: the columns, and the instance that they make."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from organizations import statements
from organizations.models import Actor, ApiKey, Organization, UsageProfile

_UNREAD = ["metadata", "version"]
"""What nobody decides by: what may be long, and what only says whether the rest is the same."""
_PLACE = ["id", "parent", "env", "sandbox_of", "name", "status"]
"""What is decided by of those above an organization."""
_KEY = statements.Columns(ApiKey, "k", without=_UNREAD)
_OWN = statements.Columns(Organization, "o", without=_UNREAD)
_ABOVE = [
    statements.Columns(Organization, alias, only=_PLACE)
    for alias in ("parent", "live_of_parent", "live", "parent_of_live")
]
_ACTOR = statements.Columns(Actor, "actor", without=_UNREAD)
_PROFILE = statements.Columns(UsageProfile, "profile", without=_UNREAD)
_WHOSE: list[statements.Columns[Any]] = [_OWN, *_ABOVE, _ACTOR, _PROFILE]
_JOINED = (
    "organizations_apikey k",
    "JOIN organizations_organization o ON o.id = k.organization_id",
    "LEFT JOIN organizations_organization parent ON parent.id = o.parent_id",
    "LEFT JOIN organizations_organization live_of_parent ON live_of_parent.id = parent.sandbox_of_id",
    "LEFT JOIN organizations_organization live ON live.id = o.sandbox_of_id",
    "LEFT JOIN organizations_organization parent_of_live ON parent_of_live.id = live.parent_id",
    "LEFT JOIN organizations_actor actor ON actor.id = k.actor_id",
    "LEFT JOIN organizations_usageprofile profile ON profile.id = actor.profile_id",
)
_ALIASES = ["k", "o", "parent", "live_of_parent", "live", "parent_of_live", "actor", "profile"]
_VERSIONS = [f"{alias}.version" for alias in _ALIASES]

COLUMNS = ", ".join(each.sql for each in (_KEY, *_WHOSE))
"""What `key_of` reads."""
TABLES = "\n".join(_JOINED)
VERSIONS, VERSION_COUNT = ", ".join(_VERSIONS), len(_VERSIONS)
"""The version of each row: where they are the same as before, `key_of` would say the same."""


def there(versions: Sequence[UUID | None]) -> tuple[int, ...]:
    """Return the places of those versions that are of a row. Whether there is another row is said by one of these."""
    return tuple(place for place, version in enumerate(versions) if version is not None)


def same(places: Iterable[int]) -> str:
    """Return the `FROM` and `WHERE` of a statement that finds a key by its id, if the rows at these places have the versions that it is told, in their
    order."""
    rows = list(places)
    tables = "\n".join(_JOINED[place] for place in rows)
    versions = " AND ".join(f"{_VERSIONS[place]} = %s" for place in rows)
    return f"FROM {tables} WHERE k.id = %s AND {versions}"


def key_of(row: statements.Row) -> ApiKey:
    """Return the key of a row, with its organization and actor, and whom these depend on."""
    values = iter(row)
    key, own = _KEY.take(values), _OWN.take(values)
    parent, live_of_parent, live, parent_of_live = (each.take(values) for each in _ABOVE)
    actor, profile = _ACTOR.take(values), _PROFILE.take(values)
    assert key is not None
    assert own is not None
    statements.relate(key, organization=own, actor=actor)
    statements.relate(own, parent=parent, sandbox_of=live)
    statements.relate(parent, sandbox_of=live_of_parent)
    statements.relate(live, parent=parent_of_live)
    statements.relate(actor, profile=profile)
    return key
