"""Pending grants whose moment has come: the calendar makes them live, each with an entry of the ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from credits import ledger
from credits.models import Grant, LedgerEntry, PendingGrant, Wallet


def begin(
    wallets: Sequence[Wallet], *, before: Mapping[UUID, datetime], note: ledger.Note
) -> dict[UUID, datetime]:
    """Make live what begins before a wallet's moment, on locked wallets, in the name of the note.

    :returns: when the next of those that stay pending begins, of each wallet that has one
    """
    due = [w for w in wallets if w.lapse_at is not None and w.lapse_at <= before[w.pk]]
    coming: dict[UUID, datetime] = {}
    if not due:
        return coming
    of_wallet = {wallet.pk: wallet for wallet in due}
    beginning = []
    for each in still_pending(due):
        if each.effective_at < before[each.wallet_id]:
            beginning.append(each)
        else:
            coming.setdefault(each.wallet_id, each.effective_at)
    ledger.post(*[_posting(of_wallet[each.wallet_id], each, note) for each in beginning])
    begun = PendingGrant.objects.filter(pk__in=[each.pk for each in beginning])
    if beginning:
        begun.update(begun_at=note.posted_at)
    return coming


def still_pending(wallets: Sequence[Wallet]) -> list[PendingGrant]:
    """Return what is to come to these wallets, the next first."""
    pending = PendingGrant.objects.filter(wallet__in=wallets, begun_at=None, cancelled_at=None)
    return list(pending.order_by("effective_at", "id"))


def _posting(wallet: Wallet, pending: PendingGrant, note: ledger.Note) -> ledger.Posting:
    lot = ledger.Lot(
        pending.amount,
        Grant.Source.GRANT,
        expires_at=pending.expires_at,
        priority=pending.priority,
        name=pending.name,
        category=pending.category,
        id=pending.pk,
    )
    said = ledger.Note(
        note.performed_by, note.posted_at, pending.reason, reference=pending.reference
    )
    return ledger.Posting(wallet, LedgerEntry.Kind.GRANT, said, lots=[lot])
