"""Public identifiers: `<prefix>_<uuid, version 7, lower case>`. Pure: no Django."""

import re
from uuid import UUID

from uuid_utils.compat import uuid7

new_id = uuid7

PREFIXES = frozenset({"org", "act", "grp", "rsv", "txn", "evt", "key"})

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


class MalformedId(ValueError):
    """The text is neither `<prefix>_<uuid>` nor a bare UUID."""


def write(prefix: str, id: UUID) -> str:
    """Return the public form of an id: `org_0198c5a4-…`."""
    return f"{prefix}_{id}"


def read(prefix: str, text: str) -> UUID:
    """Return the UUID that `text` names, with or without its prefix.

    Only the canonical lower-case form is an id: Python's own parser also takes `{…}`, `urn:uuid:`
    and digits without dashes, and one id with two spellings is two keys in somebody's cache.

    :raises MalformedId: if it is anything else
    """
    bare = text.removeprefix(prefix + "_")
    if not _UUID.match(bare):
        raise MalformedId(f"{prefix}_<uuid> expected")
    return UUID(bare)
