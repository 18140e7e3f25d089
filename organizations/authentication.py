"""API authentication: the key in the Authorization header names the organization.

One statement reads the key and all that is needed of whose it is, counts the request, and says what time it is. It only reads, but for
the count, which may be wrong by one: so it is the one statement of a request that is sent again where the connection turns out to be broken.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from organizations import claims, clock, scopes, statements, tokens
from organizations.claims import LAST_USED_EVERY, Buckets, Claim, Count
from organizations.key_rows import COLUMNS, TABLES, VERSION_COUNT, VERSIONS, key_of
from organizations.models import ApiKey, Organization, RateCount

PRUNE_BATCH = 5_000
BUCKETS = "purser.buckets"
"""Where a request keeps `Buckets`: what says in which it is to be counted."""
COUNT = "purser.count"
"""Where a request keeps its `Count`, once its key is known."""
PRINCIPAL = "purser.principal"
"""Where a request keeps who asked, for the log."""

STAFF_IS_NOT_HERE = AnonymousUser()
"""The user of every request with a key: nobody is logged in."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def no_buckets(*_: str) -> str | None:
    """Say that a request is not counted where its key is looked at."""
    return None


class Unauthenticated(Exception):
    """The request carries no key, or one that opens nothing. The reason is not told."""


class Principal(NamedTuple):
    """Who asks: a key, and the organization it acts for."""

    key: ApiKey
    organization: Organization
    """The acting one: the key's own, or the direct child that `X-Layers-Organization` names."""

    @property
    def scopes(self) -> frozenset[str]:
        return scopes.effective(self.key.scopes)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer lp_<env>_<key id>_<secret>`, and nothing else."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal]:
        head = request._request.META
        buckets: Buckets = head.get(BUCKETS) or no_buckets
        header = head.get("HTTP_AUTHORIZATION", "")
        found = _looked_up(header, now=clock.reckoned(), buckets=buckets())
        if found.counted is not None:
            head[COUNT] = found.counted
        noted_at = touch(found.key, now=clock.now())
        claims.keep(found.key, found.versions, noted_at=noted_at)
        return STAFF_IS_NOT_HERE, Principal(found.key, found.key.organization)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def claimed(header: str, *, now: datetime, buckets: Buckets) -> Claim | None:
    """Return the key that an Authorization header names as it is kept, if by that it would open."""
    try:
        return claims.claim(_token_of(header), now=now, buckets=buckets)
    except Unauthenticated:
        return None


def live_key(header: str, *, now: datetime) -> ApiKey:
    """Return the key that an Authorization header names, with its organization.

    :raises Unauthenticated: malformed, unknown, wrong secret, wrong environment, revoked, expired,
        superseded for longer than its grace, of an archived organization, or of an actor who left
    """
    return _looked_up(header, now=now).key


class _Found(NamedTuple):
    key: ApiKey
    versions: Sequence[UUID | None]
    counted: Count | None


def _looked_up(header: str, *, now: datetime, buckets: str | None = None) -> _Found:
    """Return the key that an Authorization header names, as `live_key` does, and count the request, if the key opens.

    :param buckets: for each tier the buckets of a request, as JSON; None: it is not counted
    """
    token = _token_of(header)
    digests = [token.digest, *token.old_digests]
    params = [digests, buckets, now, token.key_id, token.env, now, now, now]
    since = clock.seconds_counted()
    row = statements.read_one(_LOOK_UP, params)
    if row is None:
        raise Unauthenticated("the API key is not valid")
    moment, *counted = row[:_FIRST_VERSION]
    clock.heard(moment, since=since)
    key = key_of(row[_FIRST_COLUMN:])
    if not token.is_of(bytes(key.secret_hash)):
        raise Unauthenticated("the API key is not valid")
    _hash_anew(key, token)
    versions = row[_FIRST_VERSION:_FIRST_COLUMN]
    return _Found(key, versions, None if counted[0] is None else Count(*counted))


def _token_of(header: str) -> tokens.Token:
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        raise Unauthenticated("an API key is required: Authorization: Bearer lp_…")
    try:
        return tokens.read(bearer[1])
    except tokens.MalformedToken as error:
        raise Unauthenticated("the API key is not valid") from error


def touch(key: ApiKey, *, now: datetime) -> datetime:
    """Note that the key was used: at most once a minute, and never inside a money transaction. Return when that was noted last."""
    due = now - LAST_USED_EVERY
    if key.last_used_at is not None and key.last_used_at > due:
        return key.last_used_at
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=due)
    ApiKey.objects.filter(stale, id=key.id).update(last_used_at=now)
    return now


def prune_counts(*, now: datetime) -> int:
    """Forget how often was asked in minutes and days that are over, a batch at a time: there is a count for each address that ever came."""
    over = RateCount.objects.filter(ends_at__lte=now)
    forgotten = 0
    while batch := list(over.values_list("name", flat=True)[:PRUNE_BATCH]):
        forgotten += over.filter(name__in=batch).delete()[0]
    return forgotten


def _hash_anew(key: ApiKey, token: tokens.Token) -> None:
    """Store a key under the secret that is in use now, if it was stored under one before. No money is locked yet."""
    under = tokens.secret_name()
    if key.hashed_under != under:
        key.secret_hash, key.hashed_under = token.digest, under
        # Nobody changed the key: its history has no line of this.
        ApiKey.objects.filter(id=key.id).update(secret_hash=token.digest, hashed_under=under)


_FIRST_VERSION = 5
_FIRST_COLUMN = _FIRST_VERSION + VERSION_COUNT
_LOOK_UP = f"""
SELECT clock_timestamp(), asked.told, asked.counted, asked.ends, asked.passes, {VERSIONS}, {COLUMNS}
FROM {TABLES}
CROSS JOIN LATERAL organizations_count_1(
    CASE WHEN k.secret_hash = ANY(%s::bytea[]) THEN %s::jsonb -> k.rate_limit_tier END, k.id, o.id, %s
) asked
WHERE k.id = %s AND k.env = %s AND o.status <> 'archived' AND actor.active IS NOT FALSE
    AND (k.revoked_at IS NULL OR k.revoked_at > %s)
    AND (k.expires_at IS NULL OR k.expires_at > %s)
    AND (k.grace_until IS NULL OR k.grace_until > %s)
"""
