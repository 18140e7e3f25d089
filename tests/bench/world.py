"""The world in which it is measured: many organizations on all terms, each with an actor, a limit and a key."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from django.db import connection, connections

from config import roles
from config.demo_people import load_rate_card
from credits import services
from credits.models import CreditConfig
from organizations import tokens
from organizations.ids import new_id
from organizations.models import Actor, ApiKey, Organization, UsageProfile
from tests.scale.build import build
from usage.models import Limit, Thresholds
from usage.services import limits

MODEL = "gpt-6-luna"
"""On which work is done; its provider falls back to another."""
INPUT, OUTPUT = 900, 400
"""The tokens for which work is reserved."""
SETTLED_INPUT, SETTLED_OUTPUT = 900, 200
"""And those that it took."""
LARGE = Decimal(1_000_000_000)
"""A cap that nobody reaches, and that is compared all the same."""
BATCH = 2_000
FEWEST = 8


@dataclass(frozen=True)
class Caller:
    """An organization with whoever works for it, and the key with which it asks."""

    organization_id: UUID
    actor_id: UUID
    key: str

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key}"


@dataclass(frozen=True)
class World:
    """Everybody who asks. The first of them is the one of the hot lines."""

    callers: list[Caller]

    def save(self, path: Path) -> None:
        rows = [(str(c.organization_id), str(c.actor_id), c.key) for c in self.callers]
        path.write_text(json.dumps(rows))
        path.chmod(0o600)


def load(path: Path) -> World:
    rows = json.loads(path.read_text())
    return World([Caller(UUID(a), UUID(b), key) for a, b, key in rows])


def make(count: int) -> World:
    """Make so many organizations that may spend, as the services would have written them; a few at least."""
    count = max(count, FEWEST)
    now = datetime.now(UTC)
    load_rate_card()
    before = set(Organization.objects.values_list("id", flat=True))
    for _ in build(count, now=now):
        pass
    ids = Organization.objects.exclude(id__in=before).order_by("id").values_list("id", flat=True)
    callers = employ(ids, now=now)
    services.grant(
        organization=Organization.objects.get(id=callers[0].organization_id),
        amount=LARGE,
        reason="for the hot lines",
        performed_by="bench",
        now=now,
    )
    settle_down()
    return World(callers)


def employ(ids: Iterable[UUID], *, now: datetime) -> list[Caller]:
    """Give each organization terms on which nothing is left out, an actor with a limit, and a key."""
    callers = []
    profile = limits.standard_profile()
    for batch in _batches(list(ids)):
        CreditConfig.objects.filter(wallet__organization__in=batch).update(monthly_cap=LARGE)
        Thresholds.objects.bulk_create(
            Thresholds(organization_id=each, downgrade=LARGE, shutoff=LARGE) for each in batch
        )
        actors = Actor.objects.bulk_create(_actor(each, profile, now) for each in batch)
        Limit.objects.bulk_create(_limit(actor, now) for actor in actors)
        keys = [_key(each, now) for each in batch]
        ApiKey.objects.bulk_create(key for key, _ in keys)
        callers += [
            Caller(actor.organization_id, actor.id, text)
            for actor, (_, text) in zip(actors, keys, strict=True)
        ]
    return callers


WRITTEN = (
    "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND pg_relation_size(oid) > 0"
)


def settle_down() -> None:
    """Leave the server nothing to do afterwards for what was written until now.

    As its own worker does, it looks at no table that nothing was written to: of one that is known to be empty, plans are made that read
    all of it, and they are kept while it grows.
    """
    connections.close_all()
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute(WRITTEN)
        for (table,) in cursor.fetchall():
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("CHECKPOINT")
    connections.close_all()


def _batches(ids: list[UUID]) -> Iterable[list[UUID]]:
    return (ids[first : first + BATCH] for first in range(0, len(ids), BATCH))


def _actor(organization_id: UUID, profile: UsageProfile, now: datetime) -> Actor:
    return Actor(
        organization_id=organization_id,
        name="Sam Rivera",
        external_id="sam",
        profile=profile,
        created_at=now,
        updated_at=now,
    )


def _limit(actor: Actor, now: datetime) -> Limit:
    return Limit(
        organization_id=actor.organization_id,
        scope=Limit.Scope.ACTOR,
        actor=actor,
        cap=LARGE,
        created_at=now,
        updated_at=now,
    )


def _key(organization_id: UUID, now: datetime) -> tuple[ApiKey, str]:
    id = new_id()
    text = tokens.new(env="live", key_id=id)
    key = ApiKey(
        id=id,
        organization_id=organization_id,
        name="gateway",
        scopes=["*"],
        rate_limit_tier=ApiKey.Tier.PARTNER,
        secret_hash=tokens.digest(text),
        hashed_under=tokens.secret_name(),
        created_at=now,
    )
    return key, text
