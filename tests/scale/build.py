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
    GrantDraw,
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
    entries, grants, draws = [], [], []
    for wallet, period in zip(wallets, opened, strict=True):
        entry, grant, draw = _renewal(wallet, period, now=now)
        entries.append(entry)
        grants.append(grant)
        draws.append(draw)
        wallet.period, wallet.head_number, wallet.head_hash = period, 1, entry.hash
        wallet.balance = wallet.allowance_remaining = ALLOWANCE
        wallet.lapse_at = month.ends_at
    LedgerEntry.objects.bulk_create(entries)
    Grant.objects.bulk_create(grants)
    GrantDraw.objects.bulk_create(draws)
    changed = ["period", "head_number", "head_hash", "balance", "allowance_remaining", "lapse_at"]
    pgbulk.update(Wallet, wallets, changed)


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


def _renewal(
    wallet: Wallet, period: BillingPeriod, *, now: datetime
) -> tuple[LedgerEntry, Grant, GrantDraw]:
    entry = LedgerEntry(
        wallet=wallet,
        number=1,
        period=period,
        kind=LedgerEntry.Kind.RENEW,
        amount=ALLOWANCE,
        balance_after=ALLOWANCE,
        allowance_after=ALLOWANCE,
        performed_by=CALENDAR,
        posted_at=now,
        previous_hash=bytes(wallet.head_hash),
    )
    grant = Grant(
        wallet=wallet,
        entry=entry,
        source=Grant.Source.ALLOWANCE,
        amount=ALLOWANCE,
        remaining=ALLOWANCE,
        expires_at=period.term_ends_at,
        term_starts_at=period.term_starts_at,
        created_at=now,
    )
    entry.hash = ledger.digest(entry, [ledger.Draw(grant, ALLOWANCE)], [grant])
    return entry, grant, GrantDraw(entry=entry, grant=grant, amount=ALLOWANCE)
