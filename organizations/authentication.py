"""API authentication: the key in the Authorization header names the organization."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from organizations import clock, scopes, tokens
from organizations.models import ApiKey, Organization

LAST_USED_EVERY = timedelta(minutes=1)

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class Unauthenticated(Exception):
    """The request carries no key, or one that opens nothing. The reason is not told."""


@dataclass(frozen=True)
class Principal:
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
        now = clock.now()
        key = live_key(get_authorization_header(request).decode("latin-1"), now=now)
        touch(key, now=now)
        return AnonymousUser(), Principal(key, key.organization)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def live_key(header: str, *, now: datetime) -> ApiKey:
    """Return the key that an Authorization header names, with its organization.

    :raises Unauthenticated: malformed, unknown, wrong secret, wrong environment, revoked, expired,
        superseded for longer than its grace, of an archived organization, or of an actor who left
    """
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        raise Unauthenticated("an API key is required: Authorization: Bearer lp_…")
    try:
        token = tokens.read(bearer[1])
    except tokens.MalformedToken as error:
        raise Unauthenticated("the API key is not valid") from error
    key = (
        ApiKey.objects.select_related(
            "organization__parent__sandbox_of",
            "organization__sandbox_of__parent",
            "actor__profile",
        )
        .filter(id=token.key_id)
        .first()
    )
    if key is None or not _opens(key, token, now):
        raise Unauthenticated("the API key is not valid")
    _hash_anew(key, token)
    return key


def touch(key: ApiKey, *, now: datetime) -> None:
    """Note that the key was used: at most once a minute, and never inside a money transaction."""
    due = now - LAST_USED_EVERY
    if key.last_used_at is None or key.last_used_at <= due:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=due)
        ApiKey.objects.filter(stale, id=key.id).update(last_used_at=now)


def _hash_anew(key: ApiKey, token: tokens.Token) -> None:
    """Store a key under the secret that is in use now, if it was stored under one before. No money is locked yet."""
    under = tokens.secret_name()
    if key.hashed_under != under:
        key.secret_hash, key.hashed_under = token.digest, under
        # Nobody changed the key: its history has no line of this.
        ApiKey.objects.filter(id=key.id).update(secret_hash=token.digest, hashed_under=under)


def _opens(key: ApiKey, token: tokens.Token, now: datetime) -> bool:
    secret_is_right = token.is_of(bytes(key.secret_hash))
    archived = key.organization.status == Organization.Status.ARCHIVED
    departed = key.actor is not None and not key.actor.active
    is_open = key.is_live(now) and not archived and not departed
    return secret_is_right and key.env == token.env and is_open
