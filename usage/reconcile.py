"""The books of usage: that what every counter says is what the events of its month say."""

from credits import reconcile as credits

CHECKS: dict[str, str] = credits.CHECKS | {
    "a counter has used what its events say": """
        SELECT 'counter ' || c.id, 'used ' || c.used || ', events ' || coalesce(e.total, 0)
        FROM credits_usagecounter c
        LEFT JOIN (
            SELECT counter_id, sum(credits) AS total FROM usage_usageevent, unnest(counter_ids) AS counter_id GROUP BY 1
        ) e ON e.counter_id = c.id
        WHERE c.used <> coalesce(e.total, 0)""",
    "work that was charged is what its entry says": """
        SELECT 'entry ' || n.id, 'amount ' || n.amount || ', events ' || e.total
        FROM credits_ledgerentry n
        JOIN (SELECT entry_id, sum(credits) AS total FROM usage_usageevent WHERE entry_id IS NOT NULL GROUP BY 1) e
            ON e.entry_id = n.id
        WHERE n.amount <> -e.total""",
    "an event of a hold says what was charged for it": """
        SELECT 'event ' || e.id, 'credits ' || e.credits || ', settled ' || coalesce(r.settled_credits, 0)
        FROM usage_usageevent e JOIN credits_reservation r ON r.id = e.reservation_id
        WHERE e.credits <> coalesce(r.settled_credits, 0)""",
    "free work costs nothing": """
        SELECT 'event ' || id, 'credits ' || credits FROM usage_usageevent WHERE byok AND credits <> 0""",
}
