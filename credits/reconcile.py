"""What must always hold, asked of the database in SQL: the books.

Each check selects the rows that break it, as (subject, detail); an honest database selects none. `manage.py reconcile` runs them, and
so does a fixture after every test that touches the database.
"""

from collections.abc import Mapping
from typing import NamedTuple

from django.db import connection

CHECKS: dict[str, str] = {
    "balance is what remains in the grants, less debt": """
        SELECT 'wallet ' || w.id, 'balance ' || w.balance || ', remaining ' || coalesce(g.remaining, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS remaining FROM credits_grant GROUP BY 1) g ON g.wallet_id = w.id
        WHERE greatest(w.balance, 0) <> coalesce(g.remaining, 0)""",
    "balance is the sum of the ledger": """
        SELECT 'wallet ' || w.id, 'balance ' || w.balance || ', entries ' || coalesce(e.total, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e ON e.wallet_id = w.id
        WHERE w.balance <> coalesce(e.total, 0)""",
    "reserved is the sum of the open reservations": """
        SELECT 'wallet ' || w.id, 'reserved ' || w.reserved || ', open ' || coalesce(r.total, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(credits) AS total FROM credits_reservation WHERE status = 'open' GROUP BY 1) r
            ON r.wallet_id = w.id
        WHERE w.reserved <> coalesce(r.total, 0)""",
    "the allowance is what remains of allowance grants": """
        SELECT 'wallet ' || w.id, 'allowance ' || w.allowance_remaining || ', remaining ' || coalesce(g.remaining, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS remaining FROM credits_grant WHERE source = 'allowance' GROUP BY 1) g
            ON g.wallet_id = w.id
        WHERE w.allowance_remaining <> coalesce(g.remaining, 0)""",
    "the next lapse is no later than the soonest expiry": """
        SELECT 'wallet ' || w.id, 'lapses ' || coalesce(w.lapse_at::text, 'never') || ', grant expires ' || g.soonest
        FROM credits_wallet w
        JOIN (SELECT wallet_id, min(expires_at) AS soonest FROM credits_grant WHERE remaining > 0 GROUP BY 1) g
            ON g.wallet_id = w.id
        WHERE g.soonest IS NOT NULL AND (w.lapse_at IS NULL OR w.lapse_at > g.soonest)""",
    "every grant remains what its draws left": """
        SELECT 'grant ' || g.id, 'remaining ' || g.remaining || ', draws ' || coalesce(d.total, 0)
        FROM credits_grant g
        LEFT JOIN (SELECT grant_id, sum(amount) AS total FROM credits_grantdraw GROUP BY 1) d ON d.grant_id = g.id
        WHERE g.remaining <> coalesce(d.total, 0)""",
    "the draws of an entry are its amount, less the change of debt": """
        SELECT 'entry ' || e.id, 'amount ' || e.amount || ', draws ' || coalesce(d.total, 0)
        FROM credits_ledgerentry e
        LEFT JOIN (SELECT entry_id, sum(amount) AS total FROM credits_grantdraw GROUP BY 1) d ON d.entry_id = e.id
        WHERE coalesce(d.total, 0) <> greatest(e.balance_after, 0) - greatest(e.balance_after - e.amount, 0)""",
    "the ledger is numbered, chained and added up without a gap": """
        SELECT 'entry ' || id, 'number ' || number || ' of wallet ' || wallet_id
        FROM (
            SELECT id, wallet_id, number, balance_after, amount, previous_hash,
                row_number() OVER chain AS expected,
                coalesce(lag(balance_after) OVER chain, 0) AS balance_before,
                coalesce(lag(hash) OVER chain, decode(repeat('00', 32), 'hex')) AS hash_before
            FROM credits_ledgerentry WINDOW chain AS (PARTITION BY wallet_id ORDER BY number)
        ) e
        WHERE number <> expected OR balance_after <> balance_before + amount OR previous_hash <> hash_before""",
    "the head of a wallet is its last entry": """
        SELECT 'wallet ' || w.id, 'head ' || w.head_number || ', last entry ' || coalesce(e.number, 0)
        FROM credits_wallet w
        LEFT JOIN (
            SELECT DISTINCT ON (wallet_id) wallet_id, number, hash, allowance_after
            FROM credits_ledgerentry ORDER BY wallet_id, number DESC
        ) e ON e.wallet_id = w.id
        WHERE w.head_number <> coalesce(e.number, 0)
            OR w.head_hash <> coalesce(e.hash, decode(repeat('00', 32), 'hex'))
            OR w.allowance_remaining <> coalesce(e.allowance_after, 0)""",
    "a transfer is two entries of one family that sum to zero": """
        SELECT 'transfer ' || e.transfer_id, count(*) || ' entries, sum ' || sum(e.amount)
        FROM credits_ledgerentry e
        JOIN credits_wallet w ON w.id = e.wallet_id
        JOIN organizations_organization o ON o.id = w.organization_id
        WHERE e.transfer_id IS NOT NULL
        GROUP BY e.transfer_id
        HAVING count(*) <> 2 OR sum(e.amount) <> 0 OR count(DISTINCT coalesce(o.parent_id, o.id)) <> 1""",
    "a reversal is the opposite of what it takes back": """
        SELECT 'entry ' || r.id, 'amount ' || r.amount || ', takes back a ' || e.kind || ' of ' || e.amount
        FROM credits_ledgerentry r
        JOIN credits_ledgerentry e ON e.id = r.reverses_id
        WHERE r.kind = 'reversal' AND (
            r.amount <> -e.amount OR r.wallet_id <> e.wallet_id OR r.number <= e.number
            OR e.kind IN ('renew', 'lapse', 'reversal')
            OR r.counted_in_id IS DISTINCT FROM e.counted_in_id
            OR r.reservation_id IS DISTINCT FROM e.reservation_id
        )""",
    "a reversal returns credits to where they came from": """
        SELECT 'draw ' || d.id, d.amount || ' of a reversal, ' || coalesce(before.amount, 0) || ' of what it takes back'
        FROM credits_grantdraw d
        JOIN credits_ledgerentry r ON r.id = d.entry_id AND r.kind = 'reversal'
        JOIN credits_grant g ON g.id = d.grant_id
        LEFT JOIN credits_grantdraw before ON before.entry_id = r.reverses_id AND before.grant_id = d.grant_id
        WHERE CASE
            WHEN d.amount < 0 THEN g.entry_id <> r.reverses_id
            ELSE g.entry_id <> r.id AND d.amount > coalesce(-before.amount, 0)
        END""",
    "a transfer is taken back on both its sides or on none": """
        SELECT 'transfer ' || e.transfer_id, count(r.id) || ' sides taken back'
        FROM credits_ledgerentry e
        LEFT JOIN credits_ledgerentry r ON r.reverses_id = e.id
        WHERE e.transfer_id IS NOT NULL
        GROUP BY e.transfer_id
        HAVING count(r.id) NOT IN (0, 2) OR count(DISTINCT r.transfer_id) <> least(count(r.id), 1)""",
    "work that is charged again follows the reversal of its charge": """
        SELECT 'entry ' || e.id, 'follows a ' || r.kind || ' of ' || r.amount
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry r ON r.id = e.reverses_id
        WHERE e.kind = 'settle' AND (
            r.kind <> 'reversal' OR r.counted_in_id IS NULL OR r.wallet_id <> e.wallet_id OR r.number >= e.number
            OR r.counted_in_id IS DISTINCT FROM e.counted_in_id
            OR r.reservation_id IS DISTINCT FROM e.reservation_id
        )""",
    "a settled reservation was charged once, what it says": """
        SELECT 'reservation ' || r.id, 'settled ' || coalesce(r.settled_credits, 0) || ', charged ' || coalesce(e.total, 0)
        FROM credits_reservation r
        LEFT JOIN (
            SELECT reservation_id, -sum(amount) AS total FROM credits_ledgerentry
            WHERE kind = 'settle' AND reverses_id IS NULL GROUP BY 1
        ) e ON e.reservation_id = r.id
        WHERE coalesce(r.settled_credits, 0) <> coalesce(e.total, 0)""",
    "a period has reserved what its open reservations hold": """
        SELECT 'period ' || p.id, 'reserved ' || p.reserved || ', open ' || coalesce(r.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (SELECT period_id, sum(credits) AS total FROM credits_reservation WHERE status = 'open' GROUP BY 1) r
            ON r.period_id = p.id
        WHERE p.reserved <> coalesce(r.total, 0)""",
    "a period has used what the entries that it counts say": """
        SELECT 'period ' || p.id, 'used ' || p.used || ', entries ' || coalesce(e.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (SELECT counted_in_id, -sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e
            ON e.counted_in_id = p.id
        WHERE p.used <> coalesce(e.total, 0)""",
    "a counter has reserved what its open reservations hold": """
        SELECT 'counter ' || c.id, 'reserved ' || c.reserved || ', open ' || coalesce(r.total, 0)
        FROM credits_usagecounter c
        LEFT JOIN (
            SELECT counter_id, sum(credits) AS total FROM credits_reservation, unnest(counter_ids) AS counter_id
            WHERE status = 'open' GROUP BY 1
        ) r ON r.counter_id = c.id
        WHERE c.reserved <> coalesce(r.total, 0)""",
    "a statement opens where the last one closed, and adds up": """
        SELECT 'period ' || id, 'opening ' || opening_balance || ', closing ' || coalesce(closing_balance::text, 'open')
        FROM (
            SELECT p.id, p.index, p.opening_balance, p.closing_balance, w.balance, coalesce(e.total, 0) AS total,
                row_number() OVER months - 1 AS expected,
                coalesce(lag(p.closing_balance) OVER months, 0) AS carried
            FROM credits_billingperiod p
            JOIN credits_wallet w ON w.id = p.wallet_id
            LEFT JOIN (SELECT period_id, sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e ON e.period_id = p.id
            WINDOW months AS (PARTITION BY p.wallet_id ORDER BY p.index)
        ) s
        WHERE index <> expected OR opening_balance <> carried
            OR opening_balance + total <> coalesce(closing_balance, balance)""",
    "periods follow one another without a gap or an overlap": """
        SELECT 'period ' || id, 'starts ' || starts_at || ', the one before ended ' || coalesce(ended::text, 'never')
        FROM (
            SELECT id, index, starts_at,
                lag(ends_at) OVER (PARTITION BY wallet_id ORDER BY index) AS ended
            FROM credits_billingperiod
        ) p
        WHERE index > 0 AND starts_at IS DISTINCT FROM ended""",
    "the open period of a wallet is its own last one": """
        SELECT 'wallet ' || w.id, 'period ' || coalesce(w.period_id::text, 'none')
        FROM credits_wallet w
        LEFT JOIN credits_billingperiod p ON p.id = w.period_id AND p.wallet_id = w.id AND p.closed_at IS NULL
        WHERE p.id IS NULL""",
    "nothing refers to another wallet's rows": """
        SELECT 'grant ' || g.id, 'made by an entry of another wallet'
        FROM credits_grant g JOIN credits_ledgerentry e ON e.id = g.entry_id WHERE g.wallet_id <> e.wallet_id
        UNION ALL
        SELECT 'draw ' || d.id, 'entry and grant of two wallets'
        FROM credits_grantdraw d JOIN credits_ledgerentry e ON e.id = d.entry_id JOIN credits_grant g ON g.id = d.grant_id
        WHERE g.wallet_id <> e.wallet_id
        UNION ALL
        SELECT 'entry ' || e.id, 'posted in the period of another wallet'
        FROM credits_ledgerentry e JOIN credits_billingperiod p ON p.id = e.period_id WHERE p.wallet_id <> e.wallet_id
        UNION ALL
        SELECT 'reservation ' || r.id, 'counted in the period of another wallet'
        FROM credits_reservation r JOIN credits_billingperiod p ON p.id = r.period_id WHERE p.wallet_id <> r.wallet_id""",
    "an idempotency key has its answer": """
        SELECT 'idempotency key ' || id, key FROM organizations_idempotencykey WHERE status_code IS NULL""",
}


class Finding(NamedTuple):
    """One row that breaks one check."""

    check: str
    subject: str
    detail: str


def reconcile(checks: Mapping[str, str] = CHECKS) -> list[Finding]:
    """Run checks, in one statement and so on one snapshot of the database; return what they found."""
    parts = [
        f"SELECT {number} AS number, subject, detail FROM ({sql}) AS c{number} (subject, detail)"
        for number, sql in enumerate(checks.values())
    ]
    names = list(checks)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts) + " ORDER BY 1, 2")
        return [Finding(names[number], subject, detail) for number, subject, detail in cursor]
