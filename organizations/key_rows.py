"""A key as a statement reads it, with all that is needed of whose it is: the columns, and the instance that they make."""

from collections.abc import Iterable, Sequence
from typing import Any

from organizations import statements
from organizations.models import Actor, ApiKey, Organization, UsageProfile

_NOTES = ["metadata"]
"""What nobody decides by, and what may be long."""
_PLACE = ["id", "parent", "env", "sandbox_of", "name", "status"]
"""What is decided by of those above an organization."""
_KEY = statements.Columns(ApiKey, "k")
_KEY_BUT_ITS_USE = statements.Columns(ApiKey, "k", without=["last_used_at"])
_OWN = statements.Columns(Organization, "o", without=_NOTES)
_ABOVE = [
    statements.Columns(Organization, alias, only=_PLACE)
    for alias in ("parent", "live_of_parent", "live", "parent_of_live")
]
_ACTOR = statements.Columns(Actor, "actor")
_PROFILE = statements.Columns(UsageProfile, "profile")
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
_ROWS = [f"ROW({each.sql})::text" for each in (_KEY_BUT_ITS_USE, *_WHOSE)]

COLUMNS = ", ".join(each.sql for each in (_KEY, *_WHOSE))
"""What `key_of` reads."""
TABLES = "\n".join(_JOINED)
TOLD, TOLD_COLUMNS = ", ".join(_ROWS), len(_ROWS)
"""All of it as texts, one for each table, but for when the key was last used: where they are the same as before, `key_of` would say the same. So a
column that is new is compared too."""
_NO_ROW = "(,"
"""How the text of a row begins that is not there: its id is null."""


def there(told: Sequence[str]) -> tuple[int, ...]:
    """Return the places of those texts that tell of a row. Whether there is another one is in one of these."""
    return tuple(place for place, text in enumerate(told) if not text.startswith(_NO_ROW))


def same(places: Iterable[int]) -> str:
    """Return the `FROM` and `WHERE` of a statement that finds a key by its id, if the texts at these places are those that it is told, in their order."""
    rows = list(places)
    tables = "\n".join(_JOINED[place] for place in rows)
    return f"FROM {tables} WHERE k.id = %s AND " + " AND ".join(f"{_ROWS[n]} = %s" for n in rows)


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
