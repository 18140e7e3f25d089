"""What wallets say that they have, and their grants that they hold."""

from credits.reconcile.naming import GRANT, WALLET

CHECKS: dict[str, str] = {
    "balance is what remains in the grants, less debt": f"""
        SELECT w.id, {WALLET}, 'its balance is ' || w.balance || ', its grants hold ' || coalesce(g.remaining, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS remaining FROM credits_grant GROUP BY 1) g ON g.wallet_id = w.id
        WHERE greatest(w.balance, 0) <> coalesce(g.remaining, 0)""",
    "balance is the sum of the ledger": f"""
        SELECT w.id, {WALLET}, 'its balance is ' || w.balance || ', its entries add up to ' || coalesce(e.total, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e ON e.wallet_id = w.id
        WHERE w.balance <> coalesce(e.total, 0)""",
    "reserved is the sum of the open reservations": f"""
        SELECT w.id, {WALLET}, 'reserved is ' || w.reserved || ', its open reservations hold ' || coalesce(r.total, 0)
            || CASE WHEN w.open_holds = coalesce(r.holds, 0) THEN '' ELSE ', and are ' || coalesce(r.holds, 0) || ', not ' || w.open_holds END
        FROM credits_wallet w
        LEFT JOIN (
            SELECT wallet_id, sum(credits) AS total, count(*) AS holds FROM credits_reservation WHERE status = 'open' GROUP BY 1
        ) r ON r.wallet_id = w.id
        WHERE w.reserved <> coalesce(r.total, 0) OR w.open_holds <> coalesce(r.holds, 0)""",
    "the allowance is what remains of allowance grants": f"""
        SELECT w.id, {WALLET},
            'its allowance is ' || w.allowance_remaining || ', its allowance grants hold ' || coalesce(g.remaining, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS remaining FROM credits_grant WHERE source = 'allowance' GROUP BY 1) g
            ON g.wallet_id = w.id
        WHERE w.allowance_remaining <> coalesce(g.remaining, 0)""",
    "the next lapse is no later than the soonest expiry": f"""
        SELECT w.id, {WALLET},
            'its next lapse is ' || coalesce('at ' || w.lapse_at::text, 'never') || ', a grant expires at ' || g.soonest
        FROM credits_wallet w
        JOIN (SELECT wallet_id, min(expires_at) AS soonest FROM credits_grant WHERE remaining > 0 GROUP BY 1) g
            ON g.wallet_id = w.id
        WHERE g.soonest IS NOT NULL AND (w.lapse_at IS NULL OR w.lapse_at > g.soonest)""",
    "what is pending is looked at when it begins": f"""
        SELECT w.id, {WALLET},
            'its next lapse is ' || coalesce('at ' || w.lapse_at::text, 'never') || ', a grant begins at ' || p.soonest
        FROM credits_wallet w
        JOIN (
            SELECT wallet_id, min(effective_at) AS soonest FROM credits_pendinggrant
            WHERE begun_at IS NULL AND cancelled_at IS NULL GROUP BY 1
        ) p ON p.wallet_id = w.id
        WHERE w.lapse_at IS NULL OR w.lapse_at > p.soonest""",
    "what began is a grant, and what is pending is none": """
        SELECT p.wallet_id, 'pending grant ' || p.id || ' of wallet ' || p.wallet_id,
            CASE WHEN g.id IS NULL THEN 'it began, and there is no such grant' ELSE 'there is such a grant, of other terms or before it began' END
        FROM credits_pendinggrant p LEFT JOIN credits_grant g ON g.id = p.id
        WHERE (p.begun_at IS NULL) <> (g.id IS NULL)
            OR (g.wallet_id, g.amount, g.priority) IS DISTINCT FROM (p.wallet_id, p.amount, p.priority) AND p.begun_at IS NOT NULL""",
    "every grant remains what its draws left": f"""
        SELECT g.wallet_id, {GRANT}, 'it has ' || g.remaining || ' left, its draws leave ' || coalesce(d.total, 0)
        FROM credits_grant g
        LEFT JOIN (SELECT grant_id, sum(amount) AS total FROM credits_grantdraw GROUP BY 1) d ON d.grant_id = g.id
        WHERE g.remaining <> coalesce(d.total, 0)""",
    # Which entry made a grant only its hash says, and of two that no longer fit it names the first: here both are named.
    "a grant is first filled by the entry that made it": f"""
        SELECT g.wallet_id, {GRANT}, 'entry ' || g.entry_id || ' made it, and its first draw is of entry ' || d.entry_id
        FROM credits_grant g
        JOIN (SELECT DISTINCT ON (grant_id) grant_id, entry_id FROM credits_grantdraw ORDER BY grant_id, id) d ON d.grant_id = g.id
        WHERE d.entry_id <> g.entry_id""",
}
