"""The hash of an entry, by which an edit behind the ledger's back is found."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from credits.ledger.shapes import Draw
from credits.models import Grant, LedgerEntry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def digest(entry: LedgerEntry, changes: Sequence[Draw], made: Sequence[Grant]) -> bytes:
    """Return the hash of an entry: of all it says, what it changed, the grants it made, and the hash before it."""
    content = [
        bytes(entry.previous_hash).hex(),
        str(entry.wallet_id),
        entry.number,
        str(entry.id),
        entry.period_id,
        entry.kind,
        _number(entry.amount),
        _number(entry.balance_after),
        _number(entry.allowance_after),
        _number(entry.usage_after),
        str(entry.reservation_id or ""),
        entry.counted_in_id,
        str(entry.reverses_id or ""),
        str(entry.transfer_id or ""),
        # Entries without one are hashed as they were before there were any.
        *([entry.reference] if entry.reference else []),
        entry.reason,
        entry.metadata,
        entry.performed_by,
        _microseconds(entry.posted_at),
        sorted([str(change.grant.id), _number(change.amount)] for change in changes),
        sorted(_terms(grant) for grant in made),
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def _terms(grant: Grant) -> list[Any]:
    return [
        str(grant.id),
        str(grant.wallet_id),
        grant.source,
        _number(grant.amount),
        grant.priority,
        _microseconds(grant.expires_at),
        _microseconds(grant.term_starts_at),
        _microseconds(grant.created_at),
        _in_mid_term(grant),
    ]


def _in_mid_term(grant: Grant) -> str:
    """What brought an allowance in mid-term: nothing, of what came with its term."""
    if grant.seat:
        return f"seat {grant.seat}"
    return f"upgrade {grant.upgrade}" if grant.upgrade else ""


def _number(amount: Decimal | None) -> str | None:
    """Six places, always: `5`, `5.0` and `5.000000` are one amount and must hash as one."""
    return None if amount is None else f"{amount:.6f}"


def _microseconds(moment: datetime | None) -> int | None:
    """Whole microseconds since 1970, exact: what the database stores, in no time zone."""
    if moment is None:
        return None
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
