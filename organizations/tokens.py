"""The text of an API key, `lp_<env>_<key id>_<secret>`: made once, shown once, kept as an HMAC.

The secret is 256 random bits and eight digits of checksum. The checksum guards nothing: it lets a typing error, or a scanner of
leaked secrets, be told from a key without asking the database.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

_TOKEN = re.compile(r"(lp_(live|test)_([0-9a-f]{32})_[0-9a-f]{64})([0-9a-f]{8})")


class MalformedToken(ValueError):
    """The text cannot be an API key: wrong form, or wrong checksum."""


@dataclass(frozen=True)
class Token:
    env: str
    key_id: UUID
    digest: bytes
    """HMAC-SHA256 of the whole text, so environment and id are bound to the secret."""


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
    return Token(env=match[2], key_id=UUID(match[3]), digest=digest(text))


def digest(text: str) -> bytes:
    """Return what is stored of a key. Without the server's secret it cannot even be tried."""
    return hmac.digest(settings.API_KEY_SECRET.encode(), text.encode(), hashlib.sha256)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
