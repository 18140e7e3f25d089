"""What reservations, billing periods, counters and terms count."""

from credits.reconcile.naming import COUNTER, ENTRY, GRANT, PERIOD, RESERVATION, WALLET

CHECKS: dict[str, str] = {
    "a settled reservation was charged once, what it says": f"""
        SELECT r.wallet_id, {RESERVATION},
            'it was settled for ' || coalesce(r.settled_credits, 0) || ', charged ' || coalesce(e.total, 0)
        FROM credits_reservation r
        LEFT JOIN (
            SELECT reservation_id, -sum(amount) AS total FROM credits_ledgerentry
            WHERE kind = 'settle' AND reverses_id IS NULL GROUP BY 1
        ) e ON e.reservation_id = r.id
        WHERE coalesce(r.settled_credits, 0) <> coalesce(e.total, 0)""",
    "a period has reserved what its open reservations hold": f"""
        SELECT p.wallet_id, {PERIOD}, 'it has ' || p.reserved || ' reserved, its open reservations hold ' || coalesce(r.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (SELECT period_id, sum(credits) AS total FROM credits_reservation WHERE status = 'open' GROUP BY 1) r
            ON r.period_id = p.id
        WHERE p.reserved <> coalesce(r.total, 0)""",
    "a period has used what the entries that it counts say": f"""
        SELECT p.wallet_id, {PERIOD}, 'it has used ' || p.used || ', the entries that it counts say ' || coalesce(e.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (SELECT counted_in_id, -sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e
            ON e.counted_in_id = p.id
        WHERE p.used <> coalesce(e.total, 0)""",
    "a period has recharged what its recharges brought, less what was taken back of them": f"""
        SELECT p.wallet_id, {PERIOD}, 'it has recharged ' || p.recharged || ', its recharges say ' || coalesce(e.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (
            SELECT e.period_id, sum(e.amount + coalesce(r.total, 0)) AS total
            FROM credits_ledgerentry e
            LEFT JOIN (
                SELECT reverses_id, sum(amount) AS total FROM credits_ledgerentry WHERE kind = 'reversal' GROUP BY 1
            ) r ON r.reverses_id = e.id
            WHERE e.kind = 'recharge' GROUP BY 1
        ) e ON e.period_id = p.id
        WHERE p.recharged <> coalesce(e.total, 0)""",
    # What is set aside for free is the organization's own business: no other counter says it.
    "a counter has reserved what its open reservations hold": f"""
        SELECT c.wallet_id, {COUNTER}, 'it has ' || c.reserved || ' reserved, its open reservations hold ' || coalesce(r.total, 0)
            || CASE WHEN c.free_reserved = 0 THEN '' ELSE ', and ' || c.free_reserved || ' for free, they ' || coalesce(r.free, 0) END
        FROM credits_usagecounter c
        LEFT JOIN (
            SELECT counter_id, sum(credits) AS total, sum(free_credits) AS free
            FROM credits_reservation, unnest(counter_ids) AS counter_id
            WHERE status = 'open' GROUP BY 1
        ) r ON r.counter_id = c.id
        WHERE c.reserved <> coalesce(r.total, 0)
            OR c.free_reserved <> coalesce(r.free, 0) * (c.actor_id IS NULL AND c.group_id IS NULL AND c.resource_type = '')::int""",
    "a statement opens where the last one closed, and adds up": f"""
        SELECT p.wallet_id, {PERIOD},
            CASE WHEN p.index <> p.expected THEN 'the next number would be ' || p.expected
                WHEN p.opening_balance <> p.carried
                    THEN 'it opens with ' || p.opening_balance || ', the one before closed with ' || p.carried
                ELSE 'it opens with ' || p.opening_balance || ', its entries add ' || p.total || ', and '
                    || coalesce('it closes with ' || p.closing_balance, 'the balance is ' || p.balance) END
        FROM (
            SELECT p.id, p.wallet_id, p.index, p.opening_balance, p.closing_balance, w.balance, coalesce(e.total, 0) AS total,
                row_number() OVER months - 1 AS expected,
                coalesce(lag(p.closing_balance) OVER months, 0) AS carried
            FROM credits_billingperiod p
            JOIN credits_wallet w ON w.id = p.wallet_id
            LEFT JOIN (SELECT period_id, sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e ON e.period_id = p.id
            WINDOW months AS (PARTITION BY p.wallet_id ORDER BY p.index)
        ) p
        WHERE index <> expected OR opening_balance <> carried
            OR opening_balance + total <> coalesce(closing_balance, balance)""",
    "periods follow one another without a gap or an overlap": f"""
        SELECT p.wallet_id, {PERIOD},
            'it starts at ' || p.starts_at || ', the one before it ended ' || coalesce('at ' || p.ended::text, 'never')
        FROM (
            SELECT id, wallet_id, index, starts_at,
                lag(ends_at) OVER (PARTITION BY wallet_id ORDER BY index) AS ended
            FROM credits_billingperiod
        ) p
        WHERE index > 0 AND starts_at IS DISTINCT FROM ended""",
    "the open period of a wallet is its own last one": f"""
        SELECT w.id, {WALLET}, coalesce('period ' || w.period_id || ' is not an open one of its own', 'it has none')
        FROM credits_wallet w
        LEFT JOIN credits_billingperiod p ON p.id = w.period_id AND p.wallet_id = w.id AND p.closed_at IS NULL
        WHERE p.id IS NULL""",
    "a term is renewed once": f"""
        SELECT g.wallet_id, 'wallet ' || g.wallet_id,
            'the term from ' || g.term_starts_at || ' has ' || count(*) || ' allowances'
                || CASE WHEN g.seat > 0 THEN ' for seat ' || g.seat WHEN g.upgrade > 0 THEN ' by upgrade ' || g.upgrade ELSE '' END
                || ': ' || string_agg('grant ' || g.id, ', ' ORDER BY g.id)
        FROM credits_grant g WHERE g.source = 'allowance' GROUP BY g.wallet_id, g.term_starts_at, g.seat, g.upgrade
        HAVING count(*) > 1
        UNION ALL
        SELECT e.wallet_id, {ENTRY}, 'it renews a term and made ' || count(g.id) || ' allowances'
        FROM credits_ledgerentry e LEFT JOIN credits_grant g ON g.entry_id = e.id AND g.source = 'allowance'
        WHERE e.kind = 'renew' GROUP BY e.id, e.number, e.wallet_id HAVING count(g.id) <> 1
        UNION ALL
        SELECT g.wallet_id, {GRANT}, 'it is the allowance of a term that the wallet never had, from ' || g.term_starts_at
        FROM credits_grant g
        WHERE g.source = 'allowance' AND NOT EXISTS (
            SELECT FROM credits_billingperiod p
            WHERE p.wallet_id = g.wallet_id AND p.term_starts_at = g.term_starts_at AND p.term_ends_at = g.expires_at
        )""",
    "a term has brought the shares of its seats, and no more than its allowance": f"""
        SELECT p.wallet_id, {PERIOD},
            CASE WHEN p.seats < p.seats_before THEN 'it has ' || p.seats || ' seats, its term had ' || p.seats_before || ' already'
                WHEN p.seats < g.seat THEN 'it has ' || p.seats || ' seats, and a share was brought for seat ' || g.seat
                ELSE 'its term has ' || p.seats || ' seats of ' || p.share || ' and an allowance of ' || p.allowance
                    || ' in force, its renewals bring ' || coalesce(g.total, 0) END
        FROM (
            SELECT *, lag(seats) OVER term AS seats_before, lead(id) OVER term IS NULL AS is_last
            FROM credits_billingperiod WINDOW term AS (PARTITION BY wallet_id, term_starts_at ORDER BY index)
        ) p
        LEFT JOIN (
            SELECT g.wallet_id, g.term_starts_at, max(g.seat) AS seat, sum(e.amount) AS total
            FROM credits_grant g JOIN credits_ledgerentry e ON e.id = g.entry_id
            WHERE g.source = 'allowance' GROUP BY 1, 2
        ) g ON g.wallet_id = p.wallet_id AND g.term_starts_at = p.term_starts_at
        WHERE p.seats < p.seats_before OR p.is_last AND (
            p.seats < g.seat OR coalesce(g.total, 0) NOT BETWEEN p.seats * p.share AND p.seats * p.share + p.allowance)""",
}
