"""Storing events, each at its position."""

from collections.abc import Sequence

from credits import ledger
from credits.models import Wallet
from usage.models import UsageEvent


def store(wallet: Wallet, events: Sequence[UsageEvent]) -> None:
    """Store new events of a locked wallet's organization, behind all that it has: in one statement, and one for the wallet, however many."""
    for event, position in zip(events, ledger.number_events(wallet, len(events)), strict=True):
        event.position = position
    UsageEvent.objects.bulk_create(events)
