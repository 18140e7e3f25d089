"""Public identifiers: `<prefix>_<uuid, version 7, lower case>`. Pure: no Django."""

import re
from uuid import UUID

from uuid_utils import uuid7

PREFIXES = frozenset({"org", "act", "grp", "rsv", "txn", "evt", "key", "grn", "alr"})

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


# Of a UUID of version 7: 48 bits of milliseconds and the version; then `rand_a`; then the variant; then `rand_b`.
_MOMENT = ~0 << 76
_RAND_A = 0xFFF << 64
_VARIANT = 0b10 << 62
_RAND_B = (1 << 62) - 1


def new_id() -> UUID:
    """Return an id that is greater than all that this process made before.

    Its `rand_a` is kept for the bucket that its root belongs to, if roots are ever spread over databases: until then it is zero. The 42 bits by
    which the library counts within a millisecond begin there, so they move to the right, and 20 random bits are left behind them. With what
    each millisecond's count begins at, which is random too, two processes differ in 61 bits of a millisecond.
    """
    made: int = uuid7().int
    counted = (made & _RAND_A) >> 14 | (made & _RAND_B) >> 12
    return UUID(int=made & _MOMENT | _VARIANT | counted)


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
