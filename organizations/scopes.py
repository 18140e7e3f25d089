"""What an API key may do. Deny by default: a key without scopes opens nothing. Pure: no Django."""

from collections.abc import Iterable

CREDITS_READ = "credits:read"
USAGE_READ = "usage:read"
USAGE_WRITE = "usage:write"
MANAGE = "manage"
ORG_ADMIN = "org:admin"
"""Children: never given to a key by another key."""

EVERYTHING = "*"
"""The data scopes below, and not `org:admin`."""

DATA_SCOPES = frozenset({CREDITS_READ, USAGE_READ, USAGE_WRITE, MANAGE})
ALL_SCOPES = DATA_SCOPES | {ORG_ADMIN}
KNOWN = ALL_SCOPES | {EVERYTHING}


def effective(scopes: Iterable[str]) -> frozenset[str]:
    """Return what `scopes` allow, with `*` spelled out."""
    named = frozenset(scopes)
    return (named | DATA_SCOPES if EVERYTHING in named else named) & ALL_SCOPES
