"""What was bought: the one kind of credits whose sum in a period has a limit, so the period keeps it."""

from decimal import Decimal

from django.db.models import F

from credits.ledger.movements import fund
from credits.ledger.shapes import Lot, Note
from credits.ledger.wallets import open_period
from credits.models import BillingPeriod, Grant, LedgerEntry, Wallet


def recharge(wallet: Wallet, amount: Decimal, *, note: Note) -> LedgerEntry:
    """Add credits that were bought, and count them in the open period."""
    lot = Lot(amount, Grant.Source.PURCHASE)
    entry = fund(wallet, [lot], kind=LedgerEntry.Kind.RECHARGE, note=note)
    count_recharged(wallet, entry.period_id, amount)
    return entry


def count_recharged(wallet: Wallet, period_id: int, amount: Decimal) -> None:
    """Count so much more, or less, as bought in a period of a locked wallet."""
    current = open_period(wallet)
    if current.pk == period_id:
        current.recharged += amount
    BillingPeriod.objects.filter(pk=period_id).update(recharged=F("recharged") + amount)
