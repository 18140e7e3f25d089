"""Prepaid credits that move from a parent to its child by rule, and what keeps it from draining the parent."""

import logging
from datetime import datetime

from django.db import transaction

from credits import ledger
from credits.ledger import Note
from credits.models import ZERO, LedgerEntry, Wallet
from credits.services.calendar import CALENDAR
from credits.services.ending import expire_due
from credits.services.locking import (
    lock,
)
from organizations.models import Organization
from organizations.services import status_in_force

Kind = LedgerEntry.Kind
logger = logging.getLogger(__name__)


def refill(wallet: Wallet, parent: Wallet, *, now: datetime) -> bool:
    """Move exactly the refill amount to a child, or nothing. Both wallets are locked.

    A success starts the cooldown. A refusal, because the parent is short, is noted once per cooldown and keeps nobody from trying
    again.
    """
    amount = wallet.config.refill_amount
    if amount is None:
        return False
    cooldown_ends_at = now + wallet.config.refill_cooldown
    if amount > parent.transferable:
        expire_due(parent, now=now)
    if amount > parent.transferable:
        _note_refusal(wallet, retry_at=cooldown_ends_at, now=now)
        return False
    ledger.transfer(parent, wallet, amount, kind=Kind.REFILL, note=Note(CALENDAR, now))
    wallet.refill_cooldown_ends_at = cooldown_ends_at
    wallet.refill_retry_at = None
    wallet.save(update_fields=["refill_cooldown_ends_at", "refill_retry_at"])
    return True


def _note_refusal(wallet: Wallet, *, retry_at: datetime, now: datetime) -> None:
    if wallet.refill_retry_at is not None and now < wallet.refill_retry_at:
        return
    wallet.refill_retry_at = retry_at
    wallet.save(update_fields=["refill_retry_at"])
    logger.warning("refill refused: the parent of %s is short", wallet.organization.public_id)


@transaction.atomic(savepoint=False)
def end_refill_cooldown(*, organization: Organization, now: datetime) -> bool:
    """End a cooldown that is over, and try again where the parent was short. True if it refilled.

    Only where the last attempt was refused: an idle child never drains its parent. Never for a child that is over its cap.
    """
    wallet, parent = lock(
        organization,
        now=now,
        needs_parent=lambda wallet: _may_retry(wallet, now=now),
    )
    if wallet.refill_cooldown_ends_at is not None and wallet.refill_cooldown_ends_at <= now:
        wallet.refill_cooldown_ends_at = None
        wallet.save(update_fields=["refill_cooldown_ends_at"])
    if parent is not None:  # a hold whose time has passed is no reason to refill, nor against it
        expire_due(wallet, now=now)
    if parent is not None and _may_retry(wallet, now=now) and _is_under_its_cap(wallet):
        return refill(wallet, parent, now=now)
    _forget_refusal(wallet, now=now)
    return False


def _may_retry(wallet: Wallet, *, now: datetime) -> bool:
    retry_at = wallet.refill_retry_at
    if retry_at is None or retry_at > now:
        return False
    is_active = status_in_force(wallet.organization) == Organization.Status.ACTIVE
    return is_active and _is_due(wallet, now=now)


def _is_due(wallet: Wallet, *, now: datetime) -> bool:
    """Whether the refill rule would fire for a request that needs nothing: the admission knows."""
    organization = wallet.organization
    nothing = ledger.Wanted(
        organization.id,
        now,
        [ledger.Candidate(ZERO)],
        parent_id=organization.parent_id,
        kind="check",
    )
    return ledger.hold(nothing).outcome == "refill"


def _is_under_its_cap(wallet: Wallet) -> bool:
    period = ledger.open_period(wallet)
    cap = wallet.config.monthly_cap
    return cap is None or period.used + period.reserved < cap


def _forget_refusal(wallet: Wallet, *, now: datetime) -> None:
    """A refusal whose time has come, and that no longer matters, is not looked at every minute."""
    if wallet.refill_retry_at is not None and wallet.refill_retry_at <= now:
        wallet.refill_retry_at = None
        wallet.save(update_fields=["refill_retry_at"])
