"""Replaying an API request: same key and body, same answer.

The name of a key belongs to who sent it: the keys of an organization share theirs, each personal key has its own, and so have the forms
of the staff. So nobody gets an answer that was another's. Whether somebody may ask at all is decided before a key is looked for.

The key's row, the effect and the stored answer are written in one transaction, which `run` owns. Whoever comes second with the same
key waits on the unique index until the first is done, then reads its answer; if the first died, nothing is there and the second does
the work. There is no "in progress" that could be left behind.

    def command() -> Answer | Denied:
        order = serializers.Allocate.read(request.data)
        return Answer(200, shape(services.allocate(now=now, **order)), replay={"replayed": True})

    stored = idempotency.run(command, key=Key.of(organization, "k-1", "POST", path, body), now=now)

An exception rolls everything back and the key is free. A denial whose work must stay (a refill survives the denial of the request
that caused it) is *returned*, as `Denied`: the work is committed, the key is free, then the error is raised.
"""

import hashlib
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet

from organizations import wire
from organizations.models import IdempotencyKey, Organization

Outcome = TypeVar("Outcome")

LIFETIME = timedelta(hours=24)
ATTEMPTS = 3
PRUNE_BATCH = 1_000

_VALUE = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")  # a comma is where a proxy joined two
_TAKEN = "23505"
"""Unique violation."""
_TRY_AGAIN = {"40001", "40P01"}
"""Serialization failure and deadlock: the database undid everything and asks for another try."""


class MalformedKey(ValueError):
    """An idempotency key is 1 to 255 visible ASCII characters, and one key: no comma."""


class IdempotencyRequired(Exception):
    """Credits move by hand here: without a key a retry would move them twice."""


class IdempotencyConflict(Exception):
    """The key was used before, for something else."""


class Key(NamedTuple):
    """An idempotency key of one organization (the API key's, not the acting one), in the names of one owner."""

    organization: Organization
    value: str
    fingerprint: bytes
    owner: str = IdempotencyKey.ORGANIZATION

    @classmethod
    def of(
        cls,
        organization: Organization,
        value: str,
        *inputs: Any,
        owner: str = IdempotencyKey.ORGANIZATION,
    ) -> "Key":
        """Return the key for these inputs: method, path, acting organization and body of a request,
        or the name and fields of an admin form. Spelling (order of fields, `5.0` for `5`) does not count.

        :param owner: whose names it is one of
        :raises MalformedKey: if `value` is not 1 to 255 visible ASCII characters without a comma
        """
        if not _VALUE.fullmatch(value):
            raise MalformedKey(
                "Idempotency-Key: one key of 1 to 255 visible ASCII characters, no comma, expected"
            )
        fingerprint = hashlib.sha256(wire.dumps(inputs, sort_keys=True)).digest()
        return cls(organization, value, fingerprint, owner)

    @property
    def columns(self) -> tuple[UUID, str, str, bytes]:
        """What tells its row, and what the row remembers: as the functions of the request path take it."""
        return (self.organization.pk, self.owner, self.value, self.fingerprint)


class Earlier(NamedTuple):
    """What is stored under a key."""

    fingerprint: bytes
    status: int
    format: int
    body: str


class Answer(NamedTuple):
    """What a command did, as its caller sees it."""

    status: int
    body: Mapping[str, Any]
    replay: Mapping[str, Any] | None = None
    """Fields that read otherwise when the answer is given again: `{"secret": None}`. The body is
    stored with these, so a secret never is."""


@dataclass(frozen=True)
class Denied:
    """A command that was refused but whose work stays. The error is raised after the commit."""

    error: Exception


class Stored(NamedTuple):
    """An answer as bytes: the same ones for the first caller and, `replay` apart, for every other."""

    status: int
    body: bytes
    replayed: bool = False
    format: int = 0
    """Of an answer that is given again: 0 if these are its bytes, else how the door renders it."""


def run(
    command: Callable[[], Answer | Denied],
    *,
    key: Key | None,
    now: datetime,
    at_once: Callable[[], Answer | Earlier | None] | None = None,
) -> Stored:
    """Run a command once for its key, in a transaction of its own. Services inside join it.

    Without a key it is only a transaction. A deadlock or serialization failure runs the whole command
    again, at most twice more, so a command does nothing but SQL.

    :param at_once: tries to do all of that in one statement, which minds the key; None says that it takes a transaction
    :raises IdempotencyConflict: if the key was used with other inputs in the last 24 hours
    """
    found = _claiming(at_once) if at_once else None
    if isinstance(found, Answer):
        return Stored(found.status, wire.dumps(found.body))
    if found is not None and key is not None:
        return _again(found, key)
    outcome = again(lambda: _attempt(command, key, now))
    if isinstance(outcome, Denied):
        raise outcome.error
    return outcome


def again(attempt: Callable[[], Outcome]) -> Outcome:
    """Return what an attempt does that owns its transaction; after a deadlock or serialization failure try again, at most twice."""
    for number in range(1, ATTEMPTS):
        try:
            return attempt()
        except OperationalError as error:
            if sqlstate(error) not in _TRY_AGAIN:
                raise
            time.sleep(random.uniform(0.01, 0.05) * number)
    return attempt()


def _attempt(
    command: Callable[[], Answer | Denied], key: Key | None, now: datetime
) -> Stored | Denied:
    with transaction.atomic(durable=True):
        earlier = _claim(key, now) if key else None
        if earlier is not None:
            return earlier
        outcome = command()
        if isinstance(outcome, Denied):
            if key:
                _rows(key).delete()
            return outcome
        if key:
            _remember(key, outcome)
        return Stored(outcome.status, wire.dumps(outcome.body))


def _claim(key: Key, now: datetime) -> Stored | None:
    """Take the key, or return the answer it already has. Waits for whoever holds it."""
    while not _insert(key, now):
        row = _rows(key).first()
        if row is None:  # given back or pruned since the insert looked
            continue
        if row.status_code is None or row.body is None:
            raise AssertionError("a committed idempotency key has an answer")
        earlier = Earlier(bytes(row.fingerprint), row.status_code, row.format, row.body)
        return _again(earlier, key)
    return None


def _claiming(at_once: Callable[[], Answer | Earlier | None]) -> Answer | Earlier | None:
    """Run what minds the key in one statement. If somebody else took the key meanwhile all of it was undone, and the key has an answer."""
    try:
        return again(at_once)
    except IntegrityError as error:
        if sqlstate(error) != _TAKEN:
            raise
        return at_once()


def _again(earlier: Earlier, key: Key) -> Stored:
    """Return the answer that is stored under a key, to whoever asks the same.

    :raises IdempotencyConflict: if the key was used with other inputs
    """
    if earlier.fingerprint != key.fingerprint:
        raise IdempotencyConflict("this Idempotency-Key was used for another request")
    return Stored(earlier.status, earlier.body.encode(), replayed=True, format=earlier.format)


def _insert(key: Key, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO organizations_idempotencykey AS k
                (organization_id, owner, key, fingerprint, status_code, body, created_at)
            VALUES (%s, %s, %s, %s, NULL, NULL, %s)
            ON CONFLICT (organization_id, owner, key) DO UPDATE
                SET fingerprint = excluded.fingerprint, created_at = excluded.created_at,
                    status_code = NULL, format = 0, body = NULL
                WHERE k.created_at <= %s
            RETURNING id
            """,
            [
                key.organization.pk,
                key.owner,
                key.value,
                key.fingerprint,
                now,
                now - LIFETIME,
            ],
        )
        return cursor.fetchone() is not None


def _remember(key: Key, answer: Answer) -> None:
    body = wire.dumps({**answer.body, **(answer.replay or {})})
    _rows(key).update(status_code=answer.status, body=body.decode())


def _rows(key: Key) -> Any:
    return IdempotencyKey.objects.filter(
        organization=key.organization, owner=key.owner, key=key.value
    )


def sqlstate(error: Exception) -> str | None:
    """Return the five characters by which PostgreSQL names a failure, if it named one."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state if isinstance(state, str) else None


def prune(*, now: datetime) -> int:
    """Delete expired keys, a batch at a time so that no lock lasts, and return how many."""
    forgotten = 0
    while batch := list(_expired(now).values_list("id", flat=True)[:PRUNE_BATCH]):
        forgotten += _expired(now).filter(id__in=batch).delete()[0]
    return forgotten


def _expired(now: datetime) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(created_at__lte=now - LIFETIME)
