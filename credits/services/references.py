"""References: the id of a payment or an order on what moves money by hand. Used again for the same, nothing moves again, however late.

An idempotency key guards the retries of a day; a reference is there for ever. It is compared to the letter. What a reference stands for
is who got or gave how much, and on what terms: the words beside it may differ.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from credits.models import (
    LedgerEntry,
    PendingGrant,
    Reference,
    ReferenceMove,
    Wallet,
    namespace_of,
)
from credits.services.locking import lock, lock_sides


class ReferenceTaken(Exception):
    """The reference means another entry, which the message names."""


class NotReferable(Exception):
    """Entries of this kind are not moved by hand: no payment and no order is behind them."""


def earlier(
    wallet: Wallet,
    namespace: Reference.Namespace,
    text: str,
    *,
    is_same: Callable[[LedgerEntry], bool],
) -> LedgerEntry | None:
    """Return the entry that a reference means already, marked as replayed; None if it is free. On a locked wallet.

    :param is_same: whether an entry is what is asked for now
    :raises ReferenceTaken: if it is something else
    """
    if not text:
        return None
    entry = _meant(wallet, namespace, text).first()
    if entry is None:
        _require_not_pending(wallet, namespace, text)
        return None
    if not is_same(entry):
        raise ReferenceTaken(_taken(entry, text))
    entry.replayed = True
    return entry


def _require_not_pending(wallet: Wallet, namespace: str, text: str) -> None:
    """Refuse a reference under which a grant is to come, or was, until it was cancelled.

    :raises ReferenceTaken: if there is one
    """
    if namespace != Reference.Namespace.RECEIVED:
        return
    waiting = PendingGrant.objects.filter(wallet=wallet, reference=text, begun_at=None).first()
    if waiting is not None:
        raise ReferenceTaken(f"reference {text} is that of {waiting.public_id}: {waiting}")


def _meant(wallet: Wallet, namespace: str, text: str) -> QuerySet[LedgerEntry]:
    """Return the entry of a wallet that a reference means, if there is one."""
    entries = LedgerEntry.objects.filter(
        current_reference__wallet=wallet,
        current_reference__namespace=namespace,
        current_reference__text=text,
    )
    return entries.select_related("wallet__organization")


def _taken(entry: LedgerEntry, text: str) -> str:
    return (
        f"reference {text} is that of {entry.public_id}: {entry.kind} of {entry.amount:f} credits"
        f" on {entry.posted_at:%Y-%m-%d}"
    )


@transaction.atomic(savepoint=False)
def move_reference(
    *, entry: LedgerEntry, text: str, reason: str, performed_by: str, now: datetime
) -> list[ReferenceMove]:
    """Give an entry another reference, or its first: what meant it until now is free again. Of a transfer, on both sides.

    The entry keeps saying what it was posted with.

    :raises NotReferable: if no payment or order can be behind the entry
    :raises ReferenceTaken: if the text means an entry already, this one or another
    """
    sides = [entry]
    if entry.transfer_id is not None:
        of_both = LedgerEntry.objects.filter(transfer_id=entry.transfer_id)
        sides = list(of_both.select_related("wallet__organization").order_by("amount"))
        lock_sides(*sides, now=now)
    else:
        lock(entry.wallet.organization, now=now)
    return [_move(side, text, reason, performed_by, now) for side in sides]


def _move(
    entry: LedgerEntry, text: str, reason: str, performed_by: str, now: datetime
) -> ReferenceMove:
    namespace = namespace_of(entry)
    if namespace is None:
        raise NotReferable(f"#{entry.number} is a {entry.kind}: no payment or order is behind it")
    for other in _meant(entry.wallet, namespace, text):
        raise ReferenceTaken(_taken(other, text))
    _require_not_pending(entry.wallet, namespace, text)
    current = Reference.objects.filter(entry=entry).first()
    before = current.text if current else ""
    if current is None:
        current = Reference(wallet_id=entry.wallet_id, namespace=namespace, entry=entry)
    current.text = text
    current.save(update_fields=None if current.pk is None else ["text"])
    return ReferenceMove.objects.create(
        entry=entry,
        before=before,
        after=text,
        reason=reason,
        performed_by=performed_by,
        moved_at=now,
    )
