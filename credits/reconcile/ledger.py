"""The ledger: its entries, what they draw, transfers, reversals and references."""

from credits.reconcile.naming import DRAW, ENTRY, GRANT, WALLET

CHECKS: dict[str, str] = {
    "what an entry brings is in the grants that it made": f"""
        SELECT e.wallet_id, {ENTRY}, 'its amount is ' || e.amount || ', its grants and its draws on others add up to '
            || coalesce(g.total, 0) + coalesce(d.total, 0)
        FROM credits_ledgerentry e
        LEFT JOIN (SELECT entry_id, sum(amount) AS total FROM credits_grant GROUP BY 1) g ON g.entry_id = e.id
        LEFT JOIN (
            SELECT d.entry_id, sum(d.amount) AS total FROM credits_grantdraw d JOIN credits_grant g ON g.id = d.grant_id
            WHERE g.entry_id <> d.entry_id GROUP BY 1
        ) d ON d.entry_id = e.id
        WHERE e.kind <> 'reversal' AND CASE
            WHEN e.amount >= 0 THEN e.amount <> coalesce(g.total, 0) + coalesce(d.total, 0) ELSE g.total IS NOT NULL END""",
    "the draws of an entry are its amount, less the change of debt": f"""
        SELECT e.wallet_id, {ENTRY}, 'its amount is ' || e.amount || ', its draws add up to ' || coalesce(d.total, 0)
        FROM credits_ledgerentry e
        LEFT JOIN (SELECT entry_id, sum(amount) AS total FROM credits_grantdraw GROUP BY 1) d ON d.entry_id = e.id
        WHERE coalesce(d.total, 0) <> greatest(e.balance_after, 0) - greatest(e.balance_after - e.amount, 0)""",
    "the ledger is numbered, chained and added up without a gap": f"""
        SELECT e.wallet_id, {ENTRY},
            CASE WHEN e.number <> e.expected THEN 'its number is ' || e.number || ', the next one would be ' || e.expected
                WHEN e.balance_after <> e.balance_before + e.amount
                    THEN 'it makes ' || e.balance_before || ' and ' || e.amount || ' to ' || e.balance_after
                ELSE 'it does not continue the entry before it' END
        FROM (
            SELECT id, wallet_id, number, balance_after, amount, previous_hash,
                row_number() OVER chain AS expected,
                coalesce(lag(balance_after) OVER chain, 0) AS balance_before,
                coalesce(lag(hash) OVER chain, decode(repeat('00', 32), 'hex')) AS hash_before
            FROM credits_ledgerentry WINDOW chain AS (PARTITION BY wallet_id ORDER BY number)
        ) e
        WHERE number <> expected OR balance_after <> balance_before + amount OR previous_hash <> hash_before""",
    "the head of a wallet is its last entry": f"""
        SELECT w.id, {WALLET},
            CASE WHEN w.head_number <> coalesce(e.number, 0)
                    THEN 'its head is entry ' || w.head_number || ', its last entry is ' || coalesce(e.number, 0)
                WHEN w.allowance_remaining <> coalesce(e.allowance_after, 0)
                    THEN 'its allowance is ' || w.allowance_remaining || ', its last entry says ' || coalesce(e.allowance_after, 0)
                WHEN w.posted_at IS DISTINCT FROM e.posted_at
                    THEN 'its last entry is of ' || coalesce(w.posted_at::text, 'no moment') || ', that says ' || coalesce(e.posted_at::text, 'none')
                ELSE 'its head has another hash than entry ' || w.head_number END
        FROM credits_wallet w
        LEFT JOIN (
            SELECT DISTINCT ON (wallet_id) wallet_id, number, hash, allowance_after, posted_at
            FROM credits_ledgerentry ORDER BY wallet_id, number DESC
        ) e ON e.wallet_id = w.id
        WHERE w.head_number <> coalesce(e.number, 0)
            OR w.head_hash <> coalesce(e.hash, decode(repeat('00', 32), 'hex'))
            OR w.allowance_remaining <> coalesce(e.allowance_after, 0)
            OR w.posted_at IS DISTINCT FROM e.posted_at""",
    # Of the open periods: what a clock did is told while the statement may still be looked at, and not for ever.
    "the times of a ledger run with its numbers": f"""
        SELECT e.wallet_id, {ENTRY}, 'it is of ' || e.posted_at || ', the entry before it of ' || b.posted_at || ': a clock had leapt'
        FROM credits_wallet w
        JOIN credits_ledgerentry e ON e.period_id = w.period_id
        JOIN credits_ledgerentry b ON b.wallet_id = e.wallet_id AND b.number = e.number - 1
        WHERE b.posted_at > e.posted_at""",
    "a transfer is two entries of one family that sum to zero": """
        SELECT min(e.wallet_id::text)::uuid, 'transfer ' || e.transfer_id,
            'it has ' || count(*) || ' entries, which add up to ' || sum(e.amount) || ': '
                || string_agg('entry ' || e.number || ' of wallet ' || e.wallet_id, ', ' ORDER BY e.wallet_id)
        FROM credits_ledgerentry e
        LEFT JOIN credits_wallet w ON w.id = e.wallet_id
        LEFT JOIN organizations_organization o ON o.id = w.organization_id
        WHERE e.transfer_id IS NOT NULL
        GROUP BY e.transfer_id
        HAVING count(*) <> 2 OR sum(e.amount) <> 0 OR count(DISTINCT coalesce(o.parent_id, o.id)) <> 1""",
    "reversals go against what they take back, and come to no more": f"""
        SELECT e.wallet_id, {ENTRY}, 'it takes back ' || b.amount || ' of a ' || b.kind || ', entry ' || b.number || ', with ' || e.amount
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry b ON b.id = e.reverses_id
        WHERE e.kind = 'reversal' AND (
            sign(e.amount) <> -sign(b.amount)
            OR abs(b.amount) < (SELECT abs(sum(x.amount)) FROM credits_ledgerentry x WHERE x.reverses_id = b.id AND x.kind = 'reversal')
            OR e.wallet_id <> b.wallet_id OR e.number <= b.number
            OR b.kind IN ('renew', 'lapse', 'reversal')
            OR e.counted_in_id IS DISTINCT FROM b.counted_in_id
            OR e.reservation_id IS DISTINCT FROM b.reservation_id
        )""",
    "a reversal returns credits to where they came from": f"""
        SELECT e.wallet_id, {DRAW},
            d.amount || ' of ' || {GRANT} || ' by a reversal, ' || coalesce(before.amount, 0) || ' of what it takes back'
        FROM credits_grantdraw d
        JOIN credits_ledgerentry e ON e.id = d.entry_id AND e.kind = 'reversal'
        JOIN credits_grant g ON g.id = d.grant_id
        LEFT JOIN credits_grantdraw before ON before.entry_id = e.reverses_id AND before.grant_id = d.grant_id
        WHERE CASE
            -- From elsewhere, into debt, it takes only once the grants of what it takes back hold nothing more.
            WHEN d.amount < 0 THEN g.entry_id <> e.reverses_id AND 0 <> (
                SELECT coalesce(sum(x.amount), 0) FROM credits_grant own
                JOIN credits_grantdraw x ON x.grant_id = own.id
                JOIN credits_ledgerentry y ON y.id = x.entry_id AND y.number <= e.number
                WHERE own.entry_id = e.reverses_id
            )
            ELSE g.entry_id <> e.id AND coalesce(-before.amount, 0) < (
                SELECT sum(x.amount) FROM credits_grantdraw x
                JOIN credits_ledgerentry y ON y.id = x.entry_id AND y.kind = 'reversal' AND y.reverses_id = e.reverses_id
                WHERE x.grant_id = d.grant_id
            )
        END""",
    "a transfer is taken back on both its sides alike": """
        SELECT min(e.wallet_id::text)::uuid, 'transfer ' || e.transfer_id,
            count(r.id) || ' reversals of its sides add up to ' || sum(r.amount)
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry r ON r.reverses_id = e.id
        WHERE e.transfer_id IS NOT NULL
        GROUP BY e.transfer_id
        HAVING sum(r.amount) <> 0 OR count(r.id) <> 2 * count(DISTINCT r.transfer_id)""",
    "a reference means the entry that was posted with it, or to which staff moved it": f"""
        SELECT e.wallet_id, {ENTRY},
            'it was posted with ' || coalesce(nullif(e.reference, ''), 'no reference')
                || coalesce(', moved to ' || m.after, '') || ', and is meant by '
                || coalesce(n.text || ' of wallet ' || n.wallet_id || ', ' || n.namespace, 'none')
        FROM credits_ledgerentry e
        LEFT JOIN credits_reference n ON n.entry_id = e.id
        LEFT JOIN (
            SELECT DISTINCT ON (entry_id) entry_id, after FROM credits_referencemove ORDER BY entry_id, id DESC
        ) m ON m.entry_id = e.id
        WHERE coalesce(m.after, e.reference) <> coalesce(n.text, '') OR n.wallet_id <> e.wallet_id
            OR n.namespace <> CASE
                WHEN e.kind = 'allocate' THEN 'allocated'
                WHEN e.kind IN ('reversal', 'reclaim') OR e.amount < 0 THEN 'taken_back'
                ELSE 'received' END""",
    "work that is charged again follows the reversal of its charge": f"""
        SELECT e.wallet_id, {ENTRY}, 'it follows a ' || r.kind || ' of ' || r.amount || ', entry ' || r.number
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry r ON r.id = e.reverses_id
        WHERE e.kind = 'settle' AND (
            r.kind <> 'reversal' OR r.counted_in_id IS NULL OR r.wallet_id <> e.wallet_id OR r.number >= e.number
            OR r.counted_in_id IS DISTINCT FROM e.counted_in_id
            OR r.reservation_id IS DISTINCT FROM e.reservation_id
        )""",
}
