"""The text of an API key, `lp_<env>_<key id>_<secret>`: made once, shown once, kept as an HMAC.

The secret is 256 random bits and eight digits of checksum. The checksum guards nothing: it lets a typing error, or a scanner of
leaked secrets, be told from a key without asking the database.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from functools import cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

_TOKEN = re.compile(r"(lp_(live|test)_([0-9a-f]{32})_[0-9a-f]{64})([0-9a-f]{8})")


class MalformedToken(ValueError):
    """The text cannot be an API key: wrong form, or wrong checksum."""


class Token(NamedTuple):
    env: str
    key_id: UUID
    digest: bytes
    """HMAC-SHA256 of the whole text, so environment and id are bound to the secret."""
    old_digests: tuple[bytes, ...] = ()
    """What may be stored instead, until the key is used: the same under the secrets that were in use before."""

    def is_of(self, stored: bytes) -> bool:
        """Say whether this is the key whose digest is stored; it takes as long whichever fits, or none."""
        digests = (self.digest, *self.old_digests)
        # All of them, before anything is concluded.
        fits = [hmac.compare_digest(stored, digest) for digest in digests]
        return any(fits)

    def digest_is(self, stored: bytes) -> bool:
        """Say whether this is the key whose digest is stored under the secret that is in use now."""
        return hmac.compare_digest(stored, self.digest)


class Prepared(NamedTuple):
    """A key that is to be made: its id, and what is stored of its text, which whoever asked was told already."""

    key_id: UUID
    digest: bytes
    hashed_under: str


def prepare(*, env: str, key_id: UUID) -> tuple[Prepared, str]:
    """Return a key that is to be made, and its text. Nobody can read that again."""
    text = new(env=env, key_id=key_id)
    return Prepared(key_id, digest(text), secret_name()), text


def new(*, env: str, key_id: UUID) -> str:
    """Return the text of a new key. Nobody can read it again."""
    body = f"lp_{env}_{key_id.hex}_{secrets.token_hex(32)}"
    return body + _checksum(body)


def read(text: str) -> Token:
    """Return what the text says, or rather claims.

    :raises MalformedToken: if it cannot be a key
    """
    match = _TOKEN.fullmatch(text)
    if match is None or match[4] != _checksum(match[1]):
        raise MalformedToken("lp_<env>_<key id>_<secret> expected")
    return Token(
        env=match[2],
        key_id=UUID(match[3]),
        digest=digest(text),
        old_digests=tuple(_digest(old, text) for old in settings.API_KEY_SECRET_FALLBACKS),
    )


def digest(text: str) -> bytes:
    """Return what is stored of a key. Without the server's secret it cannot even be tried."""
    return _digest(settings.API_KEY_SECRET, text)


def secret_name(secret: str | None = None) -> str:
    """Return a name for one of the server's secrets, the one in use unless said, which tells nothing of it."""
    return _name_of(secret or settings.API_KEY_SECRET)


@cache
def _name_of(secret: str) -> str:
    return _digest(secret, "which secret is this?").hex()[:8]


def _digest(secret: str, text: str) -> bytes:
    keyed = _keyed(secret).copy()
    keyed.update(text.encode())
    return keyed.digest()


@cache
def _keyed(secret: str) -> hmac.HMAC:
    """Return what makes digests under a secret, before it has seen a text: to make one takes longer than to use it."""
    return hmac.new(secret.encode(), digestmod=hashlib.sha256)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
