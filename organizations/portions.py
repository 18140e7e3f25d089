"""Requests that were counted ahead of time: a portion of what a key may ask, taken by one statement and used up by the process that took it.

What a process does not use of a portion is lost when the window ends. So a portion is a thousandth at most of what passes in the smallest
bucket: a caller at its limit may miss so much for each process, and never gets one request more. Where fewer than two thousand pass, each
request is counted by itself. And each portion is twice the one before it in its window, from one request on: who asks seldom takes none.
"""

import json
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from organizations.recent import Recent

MOST = 50
"""How many requests are counted at once at most,"""
OF_ALL = 1_000
"""and which part of all that pass: one in so many."""
KEPT = 20_000
"""Of how many keys a process keeps a portion."""


class Count(NamedTuple):
    """How often was asked: in the bucket that is full, or else in the first."""

    bucket: int
    """Its place in the list of the key's tier."""
    counted: int
    ends_at: datetime
    passes: bool


class _Portion:
    """What is left of what was counted together."""

    def __init__(self, count: Count, size: int, lasts: datetime) -> None:
        self.count, self.size, self.lasts = count, size, lasts
        self.left = size - 1


@lru_cache(maxsize=100)
def most_of(buckets: str) -> int:
    """Return how many requests are counted at once in these buckets at most.

    :param buckets: as JSON, by tier
    """
    most: int = min(bucket["most"] for each in json.loads(buckets).values() for bucket in each)
    return max(1, min(MOST, most // OF_ALL))


def next_of(key_id: UUID, buckets: str, *, now: datetime) -> int:
    """Return how many requests with a key are to be counted at once now: twice as many as the last time, if that is in the same window."""
    most = most_of(buckets)
    last: _Portion | None = _portions.get((key_id, buckets), None) if most > 1 else None
    return min(most, 2 * last.size) if last is not None and last.lasts > now else 1


def keep(key_id: UUID, buckets: str, count: Count, *, size: int, lasts: datetime) -> None:
    """Keep what is left of a portion of which one request is used, for the next ones with this key that are counted in these buckets.

    :param count: how often was asked, all of the portion included
    :param lasts: when the first of the windows ends, by the clock of the doors
    """
    if most_of(buckets) > 1:
        _portions.put((key_id, buckets), _Portion(count, max(1, size), lasts))


def take(key_id: UUID, buckets: str, *, now: datetime) -> Count | None:
    """Return how often was asked, with this request, if it was counted before; None if it is to be counted now."""
    portion: _Portion | None = _portions.get((key_id, buckets), None)
    if portion is None:
        return None
    with _lock:
        if portion.left < 1 or portion.lasts <= now:
            return None
        portion.left -= 1
        return portion.count._replace(counted=portion.count.counted - portion.left)


_lock = Lock()
_portions: Recent[tuple[UUID, str], _Portion] = Recent(KEPT)
