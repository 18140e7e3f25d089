"""How many requests a key may make in a minute, an organization with all its keys, and a stranger. Money never depends on it.

Counters live in Redis when there is one, else in an unlogged table, so that all workers share them; and in each worker's memory while
neither answers. A counter is one atomic step, so 60 a minute are 60, however many come at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter
from redis import ConnectionPool
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.lockout import address_of
from organizations import clock
from organizations.authentication import Principal
from organizations.models import ApiKey

PER_MINUTE: dict[str, dict[str, int]] = {
    "standard": {"read-light": 120, "write-light": 60, "long-running": 20},
    "pilot": {"read-light": 1_200, "write-light": 600, "long-running": 60},
    "partner": {"read-light": 6_000, "write-light": 3_000, "long-running": 300},
    "sandbox": {"read-light": 120, "write-light": 60, "long-running": 20},
}
"""By tier of the key and endpoint class. `request-path`, which a gateway calls twice per request, is
unlimited unless `RATE_LIMIT_REQUEST_PATH` says otherwise. `omni`, the doors of that contract, has one
number for keys of every tier: `RATE_LIMIT_OMNI`."""

PER_DAY = {"standard": 10_000, "pilot": 100_000, "partner": 500_000, "sandbox": 10_000}
"""By tier of the key: how many requests of the class `write-light` a day may have."""
KEYS_OF_AN_ORGANIZATION = 3
"""An organization may do as much as three keys, however many it has: keys are free."""
DAILY_WRITES = "write-light-daily"
PAGES_PER_MINUTE = 120
LOGINS_PER_MINUTE = 20
"""What one address may ask for without saying who it is: pages that are open, and passwords to be compared, which costs
a third of a second each."""

SANDBOX_PER_MINUTE: dict[str, int] = {"request-path": 600, "omni": 60}
"""What test keys may do at most in the classes that have one number for everybody: nobody pays for their load."""

PATIENCE_SECONDS = 0.25
"""How long Redis may take for one answer."""
BREAK_SECONDS = 10.0
"""How long Redis is left alone after it failed."""


@dataclass(frozen=True)
class Standing:
    """Where a key stands in an endpoint class, or in what stopped it. Numbers are None when the class is unlimited."""

    endpoint_class: str
    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None
    passes: bool = True

    @property
    def wait(self) -> float:
        """The seconds until the minute or the day ends, at least one."""
        return max(1.0, (self.resets_at or 0.0) - time.time())

    def headers(self) -> dict[str, str]:
        numbers = {
            "Limit": self.limit,
            "Remaining": self.remaining,
            "Reset": None if self.resets_at is None else ceil(self.resets_at),
        }
        shown = {f"X-RateLimit-{k}": str(v) for k, v in numbers.items() if v is not None}
        return {"X-RateLimit-Endpoint-Class": self.endpoint_class} | shown


Next = Callable[[HttpRequest], HttpResponse]
Hit = tuple[bool, int, float]
"""Whether a request passes, how many more would, and when the minute or the day ends."""
Bucket = tuple[RateLimitItem, tuple[str, ...]]
"""A limit, and the names under which it is counted."""


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
        head = request._request.META
        if not isinstance(request.auth, Principal):  # the OpenAPI pages, which are open
            self.standing = stranger(request._request, "pages", PAGES_PER_MINUTE)
            head["RATE_LIMIT"] = self.standing
            return self.standing.passes
        if "RATE_LIMIT" in head:  # counted when its body was not here yet (config/server.py)
            return True
        organization = request.auth.key.organization
        head["CALLER"] = str(organization.parent_id or organization.id)
        operation = view.operation_for(request.method)
        endpoint_class = operation.rate if operation else default_class(request.method)
        self.standing = _stand(endpoint_class, buckets(request.auth.key, endpoint_class))
        head["RATE_LIMIT"] = self.standing
        return self.standing.passes

    def wait(self) -> float | None:
        return self.standing.wait if self.standing else None


def buckets(key: ApiKey, endpoint_class: str) -> Iterator[Bucket]:
    """Yield what counts a request: the key's minute first, then its organization's, then their days."""
    windows: list[tuple[str, type[RateLimitItem]]] = [(endpoint_class, RateLimitItemPerMinute)]
    if endpoint_class == "write-light":
        windows.append((DAILY_WRITES, RateLimitItemPerDay))
    for name, window in windows:
        limit = limit_of(key.rate_limit_tier, name)
        if limit is not None:
            all_keys = (name, key.rate_limit_tier, key.organization_id.hex)
            yield window(limit), (name, key.id.hex)
            yield window(limit * KEYS_OF_AN_ORGANIZATION), all_keys


def _stand(endpoint_class: str, found: Iterator[Bucket]) -> Standing:
    """Count a request in each bucket up to the one that is full: who is refused uses up nothing behind it."""
    standing = Standing(endpoint_class)
    for item, names in found:
        passes, remaining, resets_at = counters.hit(item, *names)
        if standing.limit is None or not passes:
            standing = Standing(endpoint_class, item.amount, remaining, resets_at, passes)
        if not passes:
            break
    return standing


def stranger(request: HttpRequest, what: str, limit: int) -> Standing:
    """Count what an address asks for that does not say who asks."""
    bucket = RateLimitItemPerMinute(limit), (what, address_of(request) or "nowhere")
    return _stand(default_class(request.method), iter([bucket]))


def addressed(get_response: Next) -> Next:
    """Say whose a body is that comes slowly (config/server.py): its address's, until a key says whose."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.META["CALLER"] = address_of(request) or ""
        return get_response(request)

    return middleware


def slow_logins(get_response: Next) -> Next:
    """Let an address ask for the login and try it so often in a minute: refused before a password is looked at."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info != "/admin/login/":
            return get_response(request)
        tries = request.method == "POST"
        limit = LOGINS_PER_MINUTE if tries else PAGES_PER_MINUTE
        standing = stranger(request, "logins" if tries else "pages", limit)
        if standing.passes:
            return get_response(request)
        headers = {"Retry-After": str(ceil(standing.wait))}
        text = "Too many logins from here. Wait a minute, then try again."
        return HttpResponse(text, status=429, content_type="text/plain", headers=headers)

    return middleware


def default_class(method: str | None) -> str:
    return "read-light" if method in ("GET", "HEAD") else "write-light"


def limit_of(tier: str, endpoint_class: str) -> int | None:
    """Return the requests per minute, for `write-light-daily` per day, or None for no limit."""
    for_every_tier: dict[str, int | None] = {
        "request-path": settings.RATE_LIMIT_REQUEST_PATH,
        "omni": settings.RATE_LIMIT_OMNI,
    }
    if endpoint_class in for_every_tier:
        limit = for_every_tier[endpoint_class]
        if tier != ApiKey.Tier.SANDBOX:
            return limit
        most = SANDBOX_PER_MINUTE[endpoint_class]
        return most if limit is None else min(limit, most)
    if endpoint_class == DAILY_WRITES:
        return PER_DAY[tier]
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
