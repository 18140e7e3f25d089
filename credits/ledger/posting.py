"""Writing entries, with all that they change."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from credits.ledger.shapes import Draw, Posting
from credits.ledger.wallets import open_period
from credits.models import ZERO, Grant, LedgerEntry, Wallet, namespace_of
from organizations.ids import new_id
from organizations.statements import fetch_all, fetch_one


class Posted(NamedTuple):
    """An entry with the grants that it made, and by how much it changed which grants."""

    entry: LedgerEntry
    made: list[Grant]
    changes: list[Draw]
    lapse_at: datetime | None
    """That of its wallet, after it."""


def post(*postings: Posting) -> list[LedgerEntry]:
    """Write these entries, in this order, with all that they change: draws, new grants, the wallets and their heads.

    One statement writes all of them, and makes the hash of each. Postings of one wallet must share its object, and that of a grant which
    they draw on: each builds on what the one before it left. Each is posted at the moment of its note, or at that of the entry before it.
    """
    posted = [_apply(posting) for posting in postings]
    written = fetch_all("SELECT posted_at, hash FROM credits_post_2(%s)", [_rows(posted)])
    for each, (posted_at, hash) in zip(posted, written, strict=True):
        entry = each.entry
        entry.posted_at, entry.hash = posted_at, hash
        entry.previous_hash = bytes(entry.wallet.head_hash)
        entry.wallet.head_hash, entry.wallet.posted_at = hash, posted_at
    return [each.entry for each in posted]


def moment(now: datetime, *wallets: Wallet) -> datetime:
    """Return the moment of what is written on all of these locked wallets at once: none of their last entries is after it."""
    if not any(wallet.posted_at and wallet.posted_at > now for wallet in wallets):
        return now
    row = fetch_one(
        "SELECT max(credits_clamp_1(%s, posted_at)) FROM credits_wallet WHERE id = ANY (%s)",
        [now, [wallet.pk for wallet in wallets]],
    )
    assert row is not None
    clamped: datetime = row[0]
    return clamped


def _rows(posted: Sequence[Posted]) -> str:
    """Return entries as the statement reads them."""
    heads: dict[UUID, int] = {}
    rows = []
    for place, each in enumerate(posted, 1):
        wallet_id = each.entry.wallet_id
        sides = [wallet_id]
        if each.entry.transfer_id is not None:
            same = (p.entry for p in posted if p.entry.transfer_id == each.entry.transfer_id)
            sides = [entry.wallet_id for entry in same]
        rows.append(_row(each) | {"follows": heads.get(wallet_id), "beside": sides})
        heads[wallet_id] = place
    return json.dumps(rows, default=str)


def _row(posted: Posted) -> dict[str, Any]:
    entry = posted.entry
    return _columns(entry) | {
        "metadata": json.dumps(entry.metadata),
        "previous_hash": bytes(entry.wallet.head_hash).hex(),
        "hash": None,
        "drawn": [change.grant.pk for change in posted.changes],
        "draws": [change.amount for change in posted.changes],
        "grants": [_columns(grant) for grant in posted.made],
        "namespace": namespace_of(entry) if entry.reference else "",
        "lapse_at": posted.lapse_at,
    }


def _columns(row: LedgerEntry | Grant) -> dict[str, Any]:
    fields = (field for field in row._meta.concrete_fields if not field.generated)
    return {field.attname: getattr(row, field.attname) for field in fields}


def require_exact(*amounts: Decimal) -> None:
    """Refuse what the database would round: then it would not be the amount that was decided, and hashed.

    :raises ValueError: if an amount has more than six places
    """
    for amount in amounts:
        if amount != round(amount, 6):
            raise ValueError(f"six places at most expected, {amount:f} given")


def _apply(posting: Posting) -> Posted:
    """Make the entry, and change its wallet and the grants that it draws on; nothing is written yet."""
    wallet, note, amount = posting.wallet, posting.note, posting.total
    require_exact(amount, *(lot.amount for lot in posting.lots))
    entry = LedgerEntry(
        wallet=wallet,
        number=wallet.head_number + 1,
        period=open_period(wallet),
        kind=posting.kind,
        amount=amount,
        balance_after=wallet.balance + amount,
        reservation=posting.reservation,
        counted_in=posting.counted_in,
        usage_after=posting.counted_in.used if posting.counted_in else None,
        transfer_id=posting.transfer_id,
        reverses=posting.reverses,
        reference=note.reference,
        reason=note.reason,
        metadata=note.metadata,
        performed_by=note.performed_by,
        posted_at=note.posted_at,
    )
    made = _grants_of(entry, posting, debt=wallet.debt)
    filled = [Draw(grant, grant.remaining) for grant in made if grant.remaining]
    changes = [*posting.draws, *filled]
    entry.allowance_after = wallet.allowance_remaining + _allowance_in(changes)
    for drawn in posting.draws:
        drawn.grant.remaining += drawn.amount
    _move_head(wallet, entry, [change.grant for change in changes if change.amount > 0])
    return Posted(entry, made, changes, wallet.lapse_at)


def _grants_of(entry: LedgerEntry, posting: Posting, *, debt: Decimal) -> list[Grant]:
    """Make the grants of an entry. What pays debt never remains in one."""
    grants = []
    for lot in posting.lots:
        paid = min(debt, lot.amount)
        debt -= paid
        grants.append(
            Grant(
                id=lot.id or new_id(),
                wallet=entry.wallet,
                entry=entry,
                source=lot.source,
                amount=lot.amount,
                remaining=lot.amount - paid,
                priority=lot.priority,
                expires_at=lot.expires_at,
                term_starts_at=lot.term_starts_at,
                seat=lot.seat,
                upgrade=lot.upgrade,
                name=lot.name,
                category=lot.category or Grant.USUAL_CATEGORY[lot.source],
                created_at=entry.posted_at,
            )
        )
    return grants


def _allowance_in(changes: Sequence[Draw]) -> Decimal:
    return sum((d.amount for d in changes if d.grant.source == Grant.Source.ALLOWANCE), ZERO)


def _move_head(wallet: Wallet, entry: LedgerEntry, filled: Iterable[Grant]) -> None:
    expiries = [grant.expires_at for grant in filled if grant.expires_at is not None]
    wallet.lapse_at = min(
        [*expiries, *([wallet.lapse_at] if wallet.lapse_at else [])], default=None
    )
    wallet.balance = entry.balance_after
    wallet.allowance_remaining = entry.allowance_after
    wallet.head_number = entry.number
