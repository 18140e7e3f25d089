"""Counting and charging work that was done without a hold: of many subjects in one statement, and many events with one entry."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from credits.ledger.posting import require_exact
from credits.ledger.shapes import Note
from organizations.ids import new_id
from organizations.statements import fetch_all, fetch_one

_COUNT = """
    INSERT INTO credits_usagecounter AS c (wallet_id, month, actor_id, group_id, resource_type, resource_id, used, reserved)
    SELECT %s::uuid, u.*, 0 FROM unnest(%s::date[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::numeric[]) AS u
    ON CONFLICT (wallet_id, month, actor_id, group_id, resource_type, resource_id) DO UPDATE SET used = c.used + excluded.used
    RETURNING month, actor_id, group_id, resource_type, resource_id, id"""

_CHARGE = """
    SELECT event_number, posted_at
    FROM credits_charge_1(%s, %s, %s, NULL, NULL, %s, '{}', %s, %s, 0, 0, %s)"""


class Subject(NamedTuple):
    """Whom a counter counts: an actor, an entity group, a resource, or with none of them the organization."""

    actor_id: UUID | None = None
    group_id: UUID | None = None
    resource_type: str = ""
    resource_id: str = ""


ORGANIZATION = Subject()

InMonth = tuple[date, Subject]
"""A subject in a calendar month: what has a counter."""


def count(wallet_id: UUID, used: Mapping[InMonth, Decimal]) -> dict[InMonth, int]:
    """Add what subjects used to their counters, in a locked wallet, and return the counters' ids; who has none gets one."""
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
    counted = fetch_all(_COUNT, [wallet_id, *columns])
    return {(month, Subject(*subject)): id for month, *subject, id in counted}


class Charged(NamedTuple):
    """What charged some events: an entry for each period that counts some, the positions they have, and when it was posted."""

    entries: dict[int, UUID]
    positions: range
    posted_at: datetime


def charge_told(
    wallet_id: UUID, amounts: Mapping[int, Decimal], *, events: int, note: Note
) -> Charged:
    """Charge so many events to a locked wallet, one entry for each billing period, and count them: from the live grants in order, and what
    they lack becomes debt. Where the amount is 0 there is no entry.

    :param amounts: what they are charged by the period that counts them; one at least
    """
    require_exact(*amounts.values())
    entries: dict[int, UUID] = {}
    last, posted_at = 0, note.posted_at
    for number, (period_id, amount) in enumerate(amounts.items()):
        entry_id = new_id()
        counted = 0 if number else events
        sent = [wallet_id, amount, period_id, entry_id, note.performed_by, note.posted_at, counted]
        row = fetch_one(_CHARGE, sent)
        assert row is not None
        last, posted_at = row
        if amount:
            entries[period_id] = entry_id
    return Charged(entries, range(last - events + 1, last + 1), posted_at)


def _array(values: Iterable[object]) -> str:
    """Return an array of dates, ids or numbers as PostgreSQL reads it: of these nothing is to be quoted."""
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"
