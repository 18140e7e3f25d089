"""What an organization held at the end of each day: as a line behind a figure, and as a chart."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from django.db import connection
from django.utils.safestring import SafeString

from credits.models import ZERO, Wallet
from usage.admin.charts import line, over_time

DAYS = 30
LONG = 90
"""How many days the chart has."""
DAY = timedelta(days=1)
# The index of the ledger by its times answers each day by itself, however long the ledger is.
_BALANCES = """
    SELECT (
        SELECT e.balance_after FROM credits_ledgerentry e
        WHERE e.wallet_id = %s AND e.posted_at < ends.at ORDER BY e.posted_at DESC, e.number DESC LIMIT 1
    ) FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS ends (at, n) ORDER BY ends.n
"""


def balances(wallet: Wallet, *, now: datetime, days: int = DAYS) -> list[Decimal]:
    """Return what a wallet held at the end of each of the last days; for today, what it holds."""
    today = datetime.combine(now.date(), time(), tzinfo=UTC)
    ends = [today - back * DAY for back in reversed(range(days - 1))]
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, [wallet.pk, ends])
        behind = [row[0] if row[0] is not None else ZERO for row in cursor]
    return [*behind, wallet.balance]


def trend(wallet: Wallet, *, now: datetime) -> SafeString:
    """Return the line of the last thirty days."""
    return line(balances(wallet, now=now), label=f"Balance, the last {DAYS} days")


def balance_over_time(wallet: Wallet, *, now: datetime) -> SafeString:
    """Return the chart of the last ninety days."""
    days = [now.date() - back * DAY for back in reversed(range(LONG))]
    held = balances(wallet, now=now, days=LONG)
    return over_time(days, held, label=f"Balance at the end of each of the last {LONG} days")
