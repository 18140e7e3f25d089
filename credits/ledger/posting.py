"""Writing entries, with all that they change."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import pgbulk

from credits.ledger.hashing import digest
from credits.ledger.shapes import Draw, Posting
from credits.ledger.wallets import open_period
from credits.models import ZERO, Grant, GrantDraw, LedgerEntry, Reference, Wallet, namespace_of

HEAD = ["balance", "allowance_remaining", "head_number", "head_hash", "lapse_at"]
"""What an entry changes in its wallet."""


class Posted(NamedTuple):
    """An entry with the grants that it made, and by how much it changed which grants."""

    entry: LedgerEntry
    made: list[Grant]
    changes: list[Draw]


def post(*postings: Posting) -> list[LedgerEntry]:
    """Write these entries, in this order, with all that they change: draws, new grants, the wallets and their heads.

    Postings of one wallet must share its object, and that of a grant which they draw on: each builds on what the one before it left.
    """
    posted = [_apply(posting) for posting in postings]
    entries = [each.entry for each in posted]
    LedgerEntry.objects.bulk_create(entries)
    Grant.objects.bulk_create(grant for each in posted for grant in each.made)
    drawn = {draw.grant.pk: draw.grant for posting in postings for draw in posting.draws}
    if drawn:
        pgbulk.update(Grant, drawn.values(), ["remaining"])
    GrantDraw.objects.bulk_create(
        GrantDraw(entry=each.entry, grant=change.grant, amount=change.amount)
        for each in posted
        for change in each.changes
    )
    Reference.objects.bulk_create(_references(entries))
    wallets = {posting.wallet.pk: posting.wallet for posting in postings}
    if wallets:
        pgbulk.update(Wallet, wallets.values(), HEAD)
    return entries


def _references(entries: Iterable[LedgerEntry]) -> list[Reference]:
    """Make what each reference means from now on. Only kinds that have a namespace may have one (a constraint)."""
    return [
        Reference(wallet=entry.wallet, namespace=namespace, text=entry.reference, entry=entry)
        for entry in entries
        if entry.reference and (namespace := namespace_of(entry))
    ]


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
        previous_hash=bytes(wallet.head_hash),
    )
    made = _grants_of(entry, posting, debt=wallet.debt)
    filled = [Draw(grant, grant.remaining) for grant in made if grant.remaining]
    changes = [*posting.draws, *filled]
    entry.allowance_after = wallet.allowance_remaining + _allowance_in(changes)
    entry.hash = digest(entry, changes, made)
    for drawn in posting.draws:
        drawn.grant.remaining += drawn.amount
    _move_head(wallet, entry, [change.grant for change in changes if change.amount > 0])
    return Posted(entry, made, changes)


def _grants_of(entry: LedgerEntry, posting: Posting, *, debt: Decimal) -> list[Grant]:
    """Make the grants of an entry. What pays debt never remains in one."""
    grants = []
    for lot in posting.lots:
        paid = min(debt, lot.amount)
        debt -= paid
        grants.append(
            Grant(
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
    wallet.head_hash = entry.hash
