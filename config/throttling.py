"""How many requests a key may make in a minute, an organization with all its keys, and a stranger. Money never depends on it.

Counters live in Redis when there is one, else in an unlogged table, so that all workers share them; and in each worker's memory while
neither answers. A counter is one atomic step, so 60 a minute are 60, however many come at once. In the table a request is counted by the
statement that looks up its key (organizations/authentication.py).
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter
from redis import ConnectionPool
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.lockout import address_of
from organizations import authentication, clock, statements
from organizations.authentication import Principal
from organizations.claims import Count
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


class Standing(NamedTuple):
    """Where a key stands in an endpoint class, or in what stopped it. Numbers are None when the class is unlimited."""

    endpoint_class: str
    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None
    passes: bool = True

    @property
    def wait(self) -> float:
        """The seconds until the minute or the day ends, at least one: by the clock that says when that is."""
        return max(1.0, (self.resets_at or 0.0) - clock.reckoned().timestamp())

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
"""Whether a request passes, how many more would, and when the minute or the day ends by the clock of the doors, whoever counts."""


class Bucket(NamedTuple):
    """What counts requests: so many pass in its window, which begins with the first of them."""

    name: str
    """With `{key}` or `{organization}` in it, for the id without dashes."""
    most: int
    window: type[RateLimitItem]

    @property
    def item(self) -> RateLimitItem:
        return self.window(self.most)


class Counters:
    """What all workers share while it answers, memory while it does not."""

    def __init__(self, redis_url: str) -> None:
        self._memory: RateLimiter = FixedWindowRateLimiter(MemoryStorage())
        self._redis = FixedWindowRateLimiter(_redis(redis_url)) if redis_url else None
        self._closed_until = 0.0
        self._one_at_a_time = threading.Lock()  # the library reads its memory outside of its lock

    @property
    def is_table(self) -> bool:
        """Whether a request is counted in the table."""
        return self._redis is None

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

    def announce(self, request: Request, view: Any) -> None:
        """Say in which buckets a request is to be counted when its key is looked up, if it is counted there."""
        head = request._request.META
        if counters.is_table and "RATE_LIMIT" not in head:
            head[authentication.BUCKETS] = partial(_told, class_of(request, view))

    def allow_request(self, request: Request, view: Any) -> bool:
        head = request._request.META
        if not isinstance(request.auth, Principal):  # the OpenAPI pages, which are open
            self.standing = stranger(request._request, "pages", PAGES_PER_MINUTE)
            head["RATE_LIMIT"] = self.standing
            return self.standing.passes
        if "RATE_LIMIT" in head:  # counted when its body was not here yet (config/server.py)
            return True
        key = request.auth.key
        head["CALLER"] = str(key.organization.parent_id or key.organization_id)
        endpoint_class = class_of(request, view)
        found = buckets(key.rate_limit_tier, endpoint_class)
        if counters.is_table:
            self.standing = _standing(endpoint_class, found, head.get(authentication.COUNT))
        else:
            self.standing = _stand(endpoint_class, found, key)
        head["RATE_LIMIT"] = self.standing
        return self.standing.passes

    def wait(self) -> float | None:
        return self.standing.wait if self.standing else None


def class_of(request: Request, view: Any) -> str:
    """Return the endpoint class of a request: its operation's."""
    operation = view.operation_for(request.method)
    return str(operation.rate) if operation else default_class(request.method)


def buckets(tier: str, endpoint_class: str) -> tuple[Bucket, ...]:
    """Return what counts a request: the key's minute first, then its organization's, then their days."""
    return _buckets(tier, endpoint_class, *limits_of(tier, endpoint_class))


def limits_of(tier: str, endpoint_class: str) -> tuple[int | None, int | None]:
    """Return how many requests a key may make in a minute, and in a day."""
    day = limit_of(tier, DAILY_WRITES) if endpoint_class == "write-light" else None
    return limit_of(tier, endpoint_class), day


@lru_cache(maxsize=100)
def _buckets(
    tier: str, endpoint_class: str, minute: int | None, day: int | None
) -> tuple[Bucket, ...]:
    return (
        *_of_key_and_organization(tier, endpoint_class, minute, RateLimitItemPerMinute),
        *_of_key_and_organization(tier, DAILY_WRITES, day, RateLimitItemPerDay),
    )


def _of_key_and_organization(
    tier: str, name: str, most: int | None, window: type[RateLimitItem]
) -> Iterator[Bucket]:
    if most is not None:
        yield Bucket(f"{name}/{{key}}", most, window)
        yield Bucket(f"{name}/{tier}/{{organization}}", most * KEYS_OF_AN_ORGANIZATION, window)


def _told(endpoint_class: str, *tiers: str) -> str | None:
    limits = [(tier, *limits_of(tier, endpoint_class)) for tier in tiers or PER_MINUTE]
    return _as_json(endpoint_class, tuple(limits))


@lru_cache(maxsize=100)
def _as_json(
    endpoint_class: str, limits: tuple[tuple[str, int | None, int | None], ...]
) -> str | None:
    """Return the buckets of each tier as the statement takes them; None where nobody is counted."""
    said = {
        tier: [
            {"name": bucket.name, "most": bucket.most, "seconds": bucket.item.get_expiry()}
            for bucket in _buckets(tier, endpoint_class, minute, day)
        ]
        for tier, minute, day in limits
        if (minute, day) != (None, None)
    }
    return json.dumps(said) if said else None


def _standing(endpoint_class: str, found: tuple[Bucket, ...], count: Count | None) -> Standing:
    """Return where a key stands that was counted when it was looked up."""
    if count is None:
        return Standing(endpoint_class)
    most = found[count.bucket].most
    remaining = max(0, most - count.counted)
    return Standing(endpoint_class, most, remaining, count.ends_at.timestamp(), count.passes)


def _stand(endpoint_class: str, found: tuple[Bucket, ...], key: ApiKey | None = None) -> Standing:
    """Count a request in each bucket up to the one that is full: who is refused uses up nothing behind it."""
    ids = {"key": key.id.hex, "organization": key.organization_id.hex} if key else {}
    standing = Standing(endpoint_class)
    for bucket in found:
        name = bucket.name.format_map(ids) if ids else bucket.name
        passes, remaining, resets_at = counters.hit(bucket.item, name)
        if standing.limit is None or not passes:
            standing = Standing(endpoint_class, bucket.most, remaining, resets_at, passes)
        if not passes:
            break
    return standing


def stranger(request: HttpRequest, what: str, limit: int) -> Standing:
    """Count what an address asks for that does not say who asks."""
    name = f"{what}/{address_of(request) or 'nowhere'}"
    bucket = Bucket(name, limit, RateLimitItemPerMinute)
    return _stand(default_class(request.method), (bucket,))


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
    if endpoint_class in SANDBOX_PER_MINUTE:
        is_path = endpoint_class == "request-path"
        limit: int | None = (
            settings.RATE_LIMIT_REQUEST_PATH if is_path else settings.RATE_LIMIT_OMNI
        )
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
    bucket = json.dumps([{"name": name, "most": limit, "seconds": seconds}])
    sql = "SELECT counted, ends, passes FROM organizations_count_1(%s, NULL, NULL, %s)"
    row = statements.read_one(sql, [bucket, clock.now()])
    assert row is not None
    counted, ends_at, passes = row
    return passes, max(0, limit - counted), ends_at.timestamp()


def _hit(limiter: RateLimiter, item: RateLimitItem, *names: str) -> Hit:
    passes = limiter.hit(item, *names)
    stats = limiter.get_window_stats(item, *names)
    # Redis and memory tell it by this machine's clock. What is left they tell in whole seconds, rounded: one more is always enough.
    left = stats.reset_time - time.time() + 1
    return passes, stats.remaining, clock.reckoned().timestamp() + left


counters = Counters(settings.REDIS_URL)
"""This process's. Making them opens no connection."""
