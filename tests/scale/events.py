"""Measures batches of a thousand events, each of another subject: how long one takes, of whose CPU, in how many statements, and how long its wallet is kept.

`python -m tests.scale --events` makes a database of its own. The ceiling is one statement that inserts the same rows from the same body
and does nothing else; the two take turns, so that what else the machine does meets both.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock
from uuid import UUID

from django.db import connection, transaction
from rest_framework.test import APIClient

from credits import ledger, periods
from credits.services import create_actor, create_organization, grant
from organizations.models import Group, Organization
from organizations.services import mint_key
from usage.models import AIModel, Rate
from usage.services.groups import create_group

BATCH = 1_000
BATCHES = 12
PATH = "/api/v1/usage/events"
_BARE = """
    INSERT INTO usage_usageevent (
        id, organization_id, source, external_id, actor_id, group_id, model_id, work_type, resource_type, resource_id,
        input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits, list_credits,
        month, counter_ids, byok, late, note, metadata, occurred_at, created_at, position
    )
    SELECT gen_random_uuid(), %(organization)s, source, told.id, substr("actorId", 5)::uuid, g.id, model, 'ai',
        coalesce("entityType", ''), coalesce("entityId", ''), "inputTokens", 0, 0, "outputTokens", 0, 1, 1,
        %(month)s, '{1,2}', false, false, '', '{}', %(now)s, %(now)s, %(before)s - row_number() OVER ()
    FROM jsonb_to_recordset(%(body)s::jsonb -> 'events') AS told (
        source text, id text, "actorId" text, entity text, "entityType" text, "entityId" text, model text,
        "inputTokens" bigint, "outputTokens" bigint
    )
    LEFT JOIN organizations_group g ON g.organization_id = %(organization)s AND g.key = told.entity"""


@dataclass
class Measured:
    """What batches took, in seconds each, and how long each lock of the wallet lasted."""

    wall: list[float] = field(default_factory=list)
    python: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)
    locks: list[float] = field(default_factory=list)
    statements: int = 0

    def say(self, name: str) -> None:
        _say(f"{name}: {BATCH / median(self.wall):,.0f} rows/s, {_milliseconds(self.wall)} a batch")
        _say(
            f"  CPU of Python {_milliseconds(self.python)}, of PostgreSQL {_milliseconds(self.postgres)}"
        )
        _say(f"  {self.statements} statements besides COPY")
        if self.locks:
            _say(f"  {len(self.locks)} locks of the wallet, {_milliseconds(self.locks)} each")


def measure() -> None:
    """Tell batches and insert them bare, by turns."""
    now = datetime.now(UTC)
    organization, secret = _make(now)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}", HTTP_HOST="localhost")
    first, told, bare = Measured(), Measured(), Measured()
    for number in range(BATCHES):
        body, same = (_body(organization, f"{kind} {number}") for kind in ("batch", "bare"))
        with _timed(told if number else first):
            answer = client.generic("POST", PATH, body, content_type="application/json")
        _require_accepted(answer)
        with _timed(bare):
            _insert(organization, same, now, before=-BATCH * number)
    first.say("the first batch of a month, whose counters are new")
    told.say("a batch")
    bare.say("bare inserts of the same rows")
    _say(f"a batch takes {median(told.wall) / median(bare.wall):.2f} times as long as bare inserts")


def _make(now: datetime) -> tuple[Organization, str]:
    """Make a customer with 400 actors, 300 groups, four models and a key."""
    organization = create_organization(name="Told", now=now)
    grant(
        organization=organization, amount=Decimal(10**9), reason="", performed_by="scale", now=now
    )
    for number in range(400):
        create_actor(organization=organization, name=f"Actor {number}", now=now)
    for number in range(300):
        create_group(
            organization=organization,
            kind=Group.Kind.ENTITY,
            key=f"g{number}",
            name="Group",
            now=now,
        )
    for number in range(4):
        model = AIModel.objects.create(
            slug=f"m{number}", name="Model", provider="p", tier="everyday"
        )
        for unit, amount in (("input_tokens", 3), ("output_tokens", 15)):
            Rate.objects.create(model=model, starts_at=now, unit=unit, amount=Decimal(amount))
    _, secret = mint_key(organization=organization, name="scale", scopes=["*"], now=now)
    return organization, secret


def _body(organization: Organization, source: str) -> str:
    """A thousand pieces of work in tokens: of each actor, of each group, and of 300 apps."""
    actors = [{"actorId": actor.public_id} for actor in organization.actors.order_by("id")]
    groups = [{"entity": f"g{number}"} for number in range(300)]
    apps = [{"entityType": "app", "entityId": f"a{number}"} for number in range(300)]
    told = [
        {
            "source": source,
            "id": f"{number:032x}",
            "model": f"m{number % 4}",
            "inputTokens": 1_000 + number,
            "outputTokens": 200,
            **subject,
        }
        for number, subject in enumerate([*actors, *groups, *apps])
    ]
    return json.dumps({"events": told})


def _require_accepted(answer: Any) -> None:
    results = json.loads(answer.content)["results"]
    assert {result["status"] for result in results} == {"accepted"}, results[0]


def _insert(organization: Organization, body: str, now: datetime, *, before: int) -> None:
    month = periods.month_of(now).starts_at.date()
    values: dict[str, Any] = {
        "organization": organization.id,
        "body": body,
        "month": month,
        "now": now,
        # Where no event of the API is.
        "before": before,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BARE, values)


@contextmanager
def _timed(measured: Measured) -> Iterator[None]:
    """Add what the block takes; of a lock the time from its statement to the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((pid,),) = cursor.fetchall()
    lock = ledger.lock_row

    def clocked(organization_id: UUID) -> UUID:
        wallet_id = lock(organization_id)
        since = time.perf_counter()
        transaction.on_commit(lambda: measured.locks.append(time.perf_counter() - since))
        return wallet_id

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        statements.append(args[0])
        return execute(*args)

    statements: list[str] = []
    with mock.patch.object(ledger, "lock_row", clocked), connection.execute_wrapper(count):
        began = time.perf_counter(), time.process_time(), _cpu(pid)
        yield
        ended = time.perf_counter(), time.process_time(), _cpu(pid)
    measured.statements = len(statements)
    wall, python, postgres = (end - begin for begin, end in zip(began, ended, strict=True))
    measured.wall.append(wall)
    measured.python.append(python)
    measured.postgres.append(postgres)


def _cpu(pid: int) -> float:
    """The seconds of CPU that a process has used: on Linux, in hundredths."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _milliseconds(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e3:.0f} ms (most {max(seconds) * 1e3:.0f})"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
