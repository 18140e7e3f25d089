"""Counting work that was done without a hold, of many subjects in one statement."""

from collections.abc import Iterable, Mapping
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
    subjects = [subject for _, subject in used]
    columns = [
        _array(month for month, _ in used),
        _array(subject.actor_id for subject in subjects),
        _array(subject.group_id for subject in subjects),
        [subject.resource_type for subject in subjects],
        [subject.resource_id for subject in subjects],
        _array(f"{amount:f}" for amount in used.values()),
    ]
    counted = fetch_all(_COUNT, [wallet.pk, *columns])
    return {(month, Subject(*subject)): id for month, *subject, id in counted}


def _array(values: Iterable[object]) -> str:
    """Return an array of dates, ids or numbers as PostgreSQL reads it: of these nothing is to be quoted."""
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"
