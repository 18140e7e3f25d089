"""The turn of a period, written: one closes, the next one opens in its place. For many wallets in one statement."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from credits.models import BillingPeriod
from organizations.statements import fetch_all

FIELDS = [field for field in BillingPeriod._meta.concrete_fields if not field.primary_key]
COLUMNS = ", ".join(f'"{field.column}"' for field in FIELDS)
# A period is opened after the one before it is closed, which the join sees to: no wallet may have two that are open.
TURN = f"""
WITH opening AS (
    SELECT * FROM json_populate_recordset(NULL::credits_billingperiod, %s::json)
), closed AS (
    UPDATE credits_billingperiod p SET closing_balance = o.opening_balance, closed_at = %s
    FROM opening o JOIN credits_wallet w ON w.id = o.wallet_id
    WHERE p.id = w.period_id
    RETURNING p.wallet_id
), opened AS (
    INSERT INTO credits_billingperiod ({COLUMNS})
    SELECT {COLUMNS} FROM opening LEFT JOIN closed USING (wallet_id)
    RETURNING id, wallet_id
)
UPDATE credits_wallet w SET period_id = opened.id, lapse_at = next.lapse_at
FROM opened JOIN unnest(%s::uuid[], %s::timestamptz[]) AS next (wallet_id, lapse_at) USING (wallet_id)
WHERE w.id = opened.wallet_id
RETURNING w.id, w.period_id"""


def turn(opening: Sequence[BillingPeriod], *, now: datetime) -> None:
    """Close the open periods of these periods' wallets, which are locked, where they have one, and open these instead.

    A period closes with the balance with which the next one opens. With the period is written when the next grant of its wallet lapses.
    """
    opened = {period.wallet_id: period for period in opening}
    lapses = [period.wallet.lapse_at for period in opening]
    rows = json.dumps([_row(period) for period in opening], default=str)
    for wallet_id, period_id in fetch_all(TURN, [rows, now, list(opened), lapses]):
        period = opened[wallet_id]
        period.pk, period.wallet.period = period_id, period


def _row(period: BillingPeriod) -> dict[str, Any]:
    return {str(field.column): getattr(period, field.attname) for field in FIELDS}
