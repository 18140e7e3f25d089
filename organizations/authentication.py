"""API authentication: the key in the Authorization header names the organization.

One statement reads the key and all that is needed of whose it is, counts the request, and says what time it is. It only reads, but for
the count, which may be wrong by one: so it is the one statement of a request that is sent again where the connection turns out to be broken.
"""

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from organizations import clock, scopes, statements, tokens
from organizations.models import Actor, ApiKey, Organization, RateCount, UsageProfile

LAST_USED_EVERY = timedelta(minutes=1)
PRUNE_BATCH = 5_000
BUCKETS = "purser.buckets"
"""Where a request says in which buckets it is to be counted: JSON, a list for each tier of keys."""
COUNT = "purser.count"
"""Where a request keeps its `Count`, once its key is known."""

STAFF_IS_NOT_HERE = AnonymousUser()
"""The user of every request with a key: nobody is logged in."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class Unauthenticated(Exception):
    """The request carries no key, or one that opens nothing. The reason is not told."""


class Count(NamedTuple):
    """How often was asked: in the bucket that is full, or else in the first."""

    bucket: int
    """Its place in the list of the key's tier."""
    counted: int
    ends_at: datetime
    passes: bool


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
        header = head.get("HTTP_AUTHORIZATION", "")
        key, counted = look_up(header, now=clock.reckoned(), buckets=head.get(BUCKETS))
        if counted is not None:
            head[COUNT] = counted
        touch(key, now=clock.now())
        return STAFF_IS_NOT_HERE, Principal(key, key.organization)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def live_key(header: str, *, now: datetime) -> ApiKey:
    """Return the key that an Authorization header names, with its organization.

    :raises Unauthenticated: malformed, unknown, wrong secret, wrong environment, revoked, expired,
        superseded for longer than its grace, of an archived organization, or of an actor who left
    """
    return look_up(header, now=now)[0]


def look_up(
    header: str, *, now: datetime, buckets: str | None = None
) -> tuple[ApiKey, Count | None]:
    """Return the key that an Authorization header names, as `live_key` does, and count the request, if the key opens.

    :param buckets: for each tier the buckets of a request, as JSON; None: it is not counted
    """
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        raise Unauthenticated("an API key is required: Authorization: Bearer lp_…")
    try:
        token = tokens.read(bearer[1])
    except tokens.MalformedToken as error:
        raise Unauthenticated("the API key is not valid") from error
    digests = [token.digest, *token.old_digests]
    params = [digests, buckets, now, token.key_id, token.env, now, now, now]
    since = clock.seconds_counted()
    row = statements.read_one(_LOOK_UP, params)
    if row is None:
        raise Unauthenticated("the API key is not valid")
    moment, *counted = row[:_FIRST_COLUMN]
    clock.heard(moment, since=since)
    key = _key_of(row)
    if not token.is_of(bytes(key.secret_hash)):
        raise Unauthenticated("the API key is not valid")
    _hash_anew(key, token)
    return key, None if counted[0] is None else Count(*counted)


def touch(key: ApiKey, *, now: datetime) -> None:
    """Note that the key was used: at most once a minute, and never inside a money transaction."""
    due = now - LAST_USED_EVERY
    if key.last_used_at is None or key.last_used_at <= due:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=due)
        ApiKey.objects.filter(stale, id=key.id).update(last_used_at=now)


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


def _key_of(row: statements.Row) -> ApiKey:
    """Return the key of a row, with its organization and actor, and whom these depend on."""
    values = iter(row[_FIRST_COLUMN:])
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


_NOTES = ["metadata"]
"""What nobody decides by, and what may be long."""
_PLACE = ["id", "parent", "env", "sandbox_of", "name", "status"]
"""What is decided by of those above an organization."""
_KEY = statements.Columns(ApiKey, "k")
_OWN = statements.Columns(Organization, "o", without=_NOTES)
_ABOVE = [
    statements.Columns(Organization, alias, only=_PLACE)
    for alias in ("parent", "live_of_parent", "live", "parent_of_live")
]
_ACTOR = statements.Columns(Actor, "actor")
_PROFILE = statements.Columns(UsageProfile, "profile")
_READ: list[statements.Columns[Any]] = [_KEY, _OWN, *_ABOVE, _ACTOR, _PROFILE]
_FIRST_COLUMN = 5
_LOOK_UP = f"""
SELECT clock_timestamp(), asked.told, asked.counted, asked.ends, asked.passes,
    {", ".join(each.sql for each in _READ)}
FROM organizations_apikey k
JOIN organizations_organization o ON o.id = k.organization_id
LEFT JOIN organizations_organization parent ON parent.id = o.parent_id
LEFT JOIN organizations_organization live_of_parent ON live_of_parent.id = parent.sandbox_of_id
LEFT JOIN organizations_organization live ON live.id = o.sandbox_of_id
LEFT JOIN organizations_organization parent_of_live ON parent_of_live.id = live.parent_id
LEFT JOIN organizations_actor actor ON actor.id = k.actor_id
LEFT JOIN organizations_usageprofile profile ON profile.id = actor.profile_id
CROSS JOIN LATERAL organizations_count_1(
    CASE WHEN k.secret_hash = ANY(%s::bytea[]) THEN %s::jsonb -> k.rate_limit_tier END, k.id, o.id, %s
) asked
WHERE k.id = %s AND k.env = %s AND o.status <> 'archived' AND actor.active IS NOT FALSE
    AND (k.revoked_at IS NULL OR k.revoked_at > %s)
    AND (k.expires_at IS NULL OR k.expires_at > %s)
    AND (k.grace_until IS NULL OR k.grace_until > %s)
"""
