"""Many organizations, quickly: rows as the services write them, hashes included, in batches instead of one by one."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pgbulk
from django.db import transaction

from credits import ledger, periods
from credits.models import (
    BillingPeriod,
    CreditConfig,
    Grant,
    LedgerEntry,
    Wallet,
)
from credits.services.calendar import CALENDAR
from organizations.models import Organization

ALLOWANCE = Decimal(1_000)
BATCH = 2_000


def build(count: int, *, now: datetime) -> Iterator[int]:
    """Make organizations with an allowance that began in the month of `now`; yields how many there are, after each batch."""
    made = 0
    while made < count:
        size = min(BATCH, count - made)
        with transaction.atomic():
            _batch(made, size, now=now)
        made += size
        yield made


def _batch(first: int, size: int, *, now: datetime) -> None:
    month = periods.month_of(now)
    owners = [
        Organization(name=f"Organization {first + n}", created_at=now, updated_at=now)
        for n in range(size)
    ]
    Organization.objects.bulk_create(owners)
    wallets = [Wallet(organization=owner, created_at=now) for owner in owners]
    Wallet.objects.bulk_create(wallets)
    CreditConfig.objects.bulk_create(
        CreditConfig(wallet=wallet, anchored_on=month.starts_at.date(), allowance=ALLOWANCE)
        for wallet in wallets
    )
    opened = BillingPeriod.objects.bulk_create(_period(wallet, month) for wallet in wallets)
    for wallet, period in zip(wallets, opened, strict=True):
        wallet.period = period
    pgbulk.update(Wallet, wallets, ["period"])
    ledger.post(*[_renewal(wallet, month, now=now) for wallet in wallets])


def _period(wallet: Wallet, month: periods.Period) -> BillingPeriod:
    return BillingPeriod(
        wallet=wallet,
        index=0,
        starts_at=month.starts_at,
        ends_at=month.ends_at,
        term_starts_at=month.starts_at,
        term_ends_at=month.ends_at,
        term_days=(month.ends_at - month.starts_at).days,
        whole_days=(month.ends_at - month.starts_at).days,
        allowance=ALLOWANCE,
        opening_balance=Decimal(0),
    )


def _renewal(wallet: Wallet, month: periods.Period, *, now: datetime) -> ledger.Posting:
    allowance = ledger.Lot(
        ALLOWANCE,
        Grant.Source.ALLOWANCE,
        expires_at=month.ends_at,
        term_starts_at=month.starts_at,
    )
    note = ledger.Note(CALENDAR, now)
    return ledger.Posting(wallet, LedgerEntry.Kind.RENEW, note, lots=[allowance])
