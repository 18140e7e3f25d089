"""Keys as they were read: kept by the process while there is room.

A key that is kept opens nothing. It is *claimed*: the request goes on as if all were still so, and the first statement that it sends asks
whether the rows of the key, and of whose it is, have the versions that they had. Where they have, the statement counts the request, and
reads what the request begins with, if that is a read; where one differs it does neither, and the request begins again by looking up its
key. So does a request that is refused, or ends, before it sent such a statement: nobody is told anything by what was true a moment ago
(`ClaimingView`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from organizations import clock, statements, tokens
from organizations.key_rows import same, there
from organizations.models import ApiKey
from organizations.recent import Recent

KEPT = 20_000
"""How many keys a process keeps: some 5 kB each, with whose they are."""
LAST_USED_EVERY = timedelta(minutes=1)
"""How often it is noted that a key is used: by a request that looks it up."""

_FIRST_COLUMN = 6


Buckets = Callable[..., str | None]
"""What says in which buckets a request is to be counted with a key of one of these tiers, of any if none are named: JSON, a list for each; None
where nobody is counted."""


class KeyDiffers(Exception):
    """A key, or whose it is, is not what it was when it was kept; or it was not asked about yet."""


class Count(NamedTuple):
    """How often was asked: in the bucket that is full, or else in the first."""

    bucket: int
    """Its place in the list of the key's tier."""
    counted: int
    ends_at: datetime
    passes: bool


class Known(NamedTuple):
    """A key as it was read. It belongs to many threads, so nobody is given it: each claim has a copy."""

    key: ApiKey
    """With its organization and actor, and whom these depend on."""
    places: tuple[int, ...]
    """Of which tables there are rows of it,"""
    versions: list[str]
    """and the versions of these."""
    noted_at: datetime
    """When it was last noted that it is used."""


class Claim:
    """A request's key as it is kept, until a statement says that it still is so.

    :param buckets: in which the request is to be counted
    """

    def __init__(self, known: Known, buckets: Buckets, now: datetime) -> None:
        self.key = statements.copied(known.key)
        self.is_open = False
        """Whether a statement found the key to be what it was."""
        self.counted: Count | None = None
        """How often was asked; known once it is open."""
        counted_in = buckets(known.key.rate_limit_tier)
        self._places, self._is_counted = known.places, counted_in is not None
        counts = [counted_in] if self._is_counted else []
        self._asks = [*counts, known.key.id, *known.versions, *([now] if counts else [])]

    def read(self, sql: str, params: Sequence[Any] = ()) -> statements.Row | None:
        """Send a statement that only reads, together with the question whether the key still is what it was, and return its first row, or None:
        also where the request is one too many. It may be sent twice, if the connection is found broken; then it counts twice.

        :raises KeyDiffers: if it is not; then nothing was counted
        """
        since = clock.seconds_counted()
        opening = _opening(sql, self._places, self._is_counted)
        row = statements.read_one(opening, [*self._asks, *params])
        if row is None:
            raise KeyDiffers
        clock.heard(row[0], since=since)
        self.is_open = True
        if row[1] is not None:
            self.counted = Count(*row[1 : _FIRST_COLUMN - 1])
        return row[_FIRST_COLUMN:] if row[_FIRST_COLUMN - 1] else None


def keep(key: ApiKey, versions: Sequence[UUID | None], *, noted_at: datetime) -> None:
    """Keep a key that was looked up.

    :param versions: of its row, and of those of whose it is; None where there is no row
    :param noted_at: when it was last noted that it is used
    """
    places = there(versions)
    own = [str(versions[place]) for place in places]
    _kept.put(key.id, Known(statements.copied(key), places, own, noted_at))


def claim(token: tokens.Token, *, now: datetime, buckets: Buckets) -> Claim | None:
    """Return a key as it is kept, if by that it would open; None if it has to be looked up."""
    known: Known | None = _kept.get(token.key_id, None)
    if known is None or known.noted_at <= now - LAST_USED_EVERY:
        return None
    is_its_own = token.digest_is(bytes(known.key.secret_hash))
    return Claim(known, buckets, now) if is_its_own and known.key.is_live(now) else None


@lru_cache(maxsize=statements.KEPT)
def _opening(sql: str, places: tuple[int, ...], is_counted: bool) -> str:
    """Return a statement that first compares a key and counts the request: what is the same is found before the rest is asked, which takes its
    parameters from there."""
    buckets = "%s::jsonb -> k.rate_limit_tier" if is_counted else "NULL"
    count = "organizations_count_1(same.buckets, same.id, same.organization_id, %s)"
    return f"""
SELECT clock_timestamp(), asked.told, asked.counted, asked.ends, asked.passes, answer.*
FROM (SELECT k.id, o.id AS organization_id, {buckets} AS buckets {same(places)} OFFSET 0) same
CROSS JOIN LATERAL {count if is_counted else _NOT_COUNTED} asked
LEFT JOIN LATERAL (SELECT true, found.* FROM ({sql}) found WHERE asked.passes IS NOT FALSE OFFSET 0) answer ON true
"""


_NOT_COUNTED = "(SELECT NULL AS told, NULL AS counted, NULL AS ends, NULL::boolean AS passes)"
_kept: Recent[UUID, Known] = Recent(KEPT)
