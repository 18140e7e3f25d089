"""Counting work that was done without a hold, of many subjects in one statement."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from credits.ledger.posting import require_exact
from credits.models import Wallet
from organizations.statements import fetch_all

_COUNT = """
    INSERT INTO credits_usagecounter AS c (wallet_id, month, actor_id, group_id, resource_type, resource_id, used, reserved)
    SELECT %s::uuid, u.*, 0 FROM unnest(%s::date[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::numeric[]) AS u
    ON CONFLICT (wallet_id, month, actor_id, group_id, resource_type, resource_id) DO UPDATE SET used = c.used + excluded.used
    RETURNING month, actor_id, group_id, resource_type, resource_id, id"""


class Subject(NamedTuple):
    """Whom a counter counts: an actor, an entity group, a resource, or with none of them the organization."""

    actor_id: UUID | None = None
    group_id: UUID | None = None
    resource_type: str = ""
    resource_id: str = ""


ORGANIZATION = Subject()

InMonth = tuple[date, Subject]
"""A subject in a calendar month: what has a counter."""


def count(wallet: Wallet, used: Mapping[InMonth, Decimal]) -> dict[InMonth, int]:
    """Add what subjects used to their counters, of a locked wallet, and return the counters' ids; who has none gets one."""
    if not used:
        return {}
    require_exact(*used.values())
    rows = [(month.isoformat(), *subject, amount) for (month, subject), amount in used.items()]
    counted = fetch_all(_COUNT, [wallet.pk, *zip(*rows, strict=True)])
    return {(month, Subject(*subject)): id for month, *subject, id in counted}
