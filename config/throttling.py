"""How many requests a key may make in a minute. Money never depends on it.

Counters live in Redis when there is one, else in an unlogged table, so that all workers share them; and in each worker's memory while
neither answers. A counter is one atomic step, so 60 a minute are 60, however many come at once.
"""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter
from redis import ConnectionPool
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from organizations import clock
from organizations.authentication import Principal

PER_MINUTE: dict[str, dict[str, int]] = {
    "standard": {"read-light": 120, "write-light": 60, "long-running": 20},
    "pilot": {"read-light": 1_200, "write-light": 600, "long-running": 60},
    "partner": {"read-light": 6_000, "write-light": 3_000, "long-running": 300},
}
"""By tier of the key and endpoint class. `request-path`, which a gateway calls twice per request, is
unlimited unless `RATE_LIMIT_REQUEST_PATH` says otherwise. `omni`, the doors of that contract, has one
number for keys of every tier: `RATE_LIMIT_OMNI`."""

PATIENCE_SECONDS = 0.25
"""How long Redis may take for one answer."""
BREAK_SECONDS = 10.0
"""How long Redis is left alone after it failed."""


@dataclass(frozen=True)
class Standing:
    """Where a key stands in an endpoint class. Numbers are None when the class is unlimited."""

    endpoint_class: str
    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None

    def headers(self) -> dict[str, str]:
        numbers = {
            "Limit": self.limit,
            "Remaining": self.remaining,
            "Reset": None if self.resets_at is None else ceil(self.resets_at),
        }
        shown = {f"X-RateLimit-{k}": str(v) for k, v in numbers.items() if v is not None}
        return {"X-RateLimit-Endpoint-Class": self.endpoint_class} | shown


Hit = tuple[bool, int, float]
"""Whether a request passes, how many more would, and when the minute ends."""


class Counters:
    """What all workers share while it answers, memory while it does not."""

    def __init__(self, redis_url: str) -> None:
        self._memory: RateLimiter = FixedWindowRateLimiter(MemoryStorage())
        self._redis = FixedWindowRateLimiter(_redis(redis_url)) if redis_url else None
        self._closed_until = 0.0
        self._one_at_a_time = threading.Lock()  # the library reads its memory outside of its lock

    def hit(self, item: RateLimitItem, *names: str) -> Hit:
        """Count one request."""
        if time.monotonic() >= self._closed_until:
            try:
                return self._hit_shared(item, *names)
            except (StorageError, DatabaseError):
                self._closed_until = time.monotonic() + BREAK_SECONDS
        with self._one_at_a_time:
            return _hit(self._memory, item, *names)

    def _hit_shared(self, item: RateLimitItem, *names: str) -> Hit:
        if self._redis is not None:
            return _hit(self._redis, item, *names)
        return _hit_table(item.amount, item.get_expiry(), "/".join(names))


class EndpointClassThrottle(BaseThrottle):
    """The rate limit of an operation's endpoint class, for the key's tier."""

    standing: Standing | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Principal):  # the OpenAPI pages: open, and static
            return True
        head = request._request.META
        if "RATE_LIMIT" in head:  # counted when its body was not here yet (config/server.py)
            return True
        organization = request.auth.key.organization
        head["CALLER"] = str(organization.parent_id or organization.id)
        operation = view.operation_for(request.method)
        endpoint_class = operation.rate if operation else default_class(request.method)
        limit = limit_of(request.auth.key.rate_limit_tier, endpoint_class)
        passes = True
        self.standing = Standing(endpoint_class)
        if limit is not None:
            item = RateLimitItemPerMinute(limit)
            names = (endpoint_class, request.auth.key.id.hex)
            passes, remaining, resets_at = counters.hit(item, *names)
            self.standing = Standing(endpoint_class, limit, remaining, resets_at)
        head["RATE_LIMIT"] = self.standing
        return passes

    def wait(self) -> float | None:
        """Return the seconds until the minute ends, at least one."""
        resets_at = self.standing.resets_at if self.standing else None
        return None if resets_at is None else max(1.0, resets_at - time.time())


def default_class(method: str | None) -> str:
    return "read-light" if method in ("GET", "HEAD") else "write-light"


def limit_of(tier: str, endpoint_class: str) -> int | None:
    """Return the requests per minute, or None for no limit."""
    for_every_tier: dict[str, int | None] = {
        "request-path": settings.RATE_LIMIT_REQUEST_PATH,
        "omni": settings.RATE_LIMIT_OMNI,
    }
    if endpoint_class in for_every_tier:
        return for_every_tier[endpoint_class]
    return PER_MINUTE[tier][endpoint_class]


def _redis(url: str) -> RedisStorage:
    pool = ConnectionPool.from_url(
        url,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
    )
    return RedisStorage(url, pool, key_prefix="purser:rate", wrap_exceptions=True)


def _hit_table(limit: int, seconds: int, name: str) -> Hit:
    """Count one request in the table, in one statement; the first one after the end begins a new minute."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO organizations_ratecount AS r (name, count, ends_at) VALUES (%(name)s, 1, %(end)s)
            ON CONFLICT (name) DO UPDATE SET
                count = CASE WHEN r.ends_at <= %(now)s THEN 1 ELSE r.count + 1 END,
                ends_at = CASE WHEN r.ends_at <= %(now)s THEN excluded.ends_at ELSE r.ends_at END
            RETURNING count, ends_at
            """,
            {"name": name, "now": now, "end": now + timedelta(seconds=seconds)},
        )
        count, ends_at = cursor.fetchone() or (1, now)
    return count <= limit, max(0, limit - count), ends_at.timestamp()


def _hit(limiter: RateLimiter, item: RateLimitItem, *names: str) -> Hit:
    passes = limiter.hit(item, *names)
    stats = limiter.get_window_stats(item, *names)
    # Redis tells the rest of the minute in whole seconds, rounded: one more is always enough.
    return passes, stats.remaining, stats.reset_time + 1


counters = Counters(settings.REDIS_URL)
"""This process's. Making them opens no connection."""
