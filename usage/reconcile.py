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
    "a correction takes back what its event said, in its month": """
        SELECT 'event ' || c.id, c.source || ' of ' || c.credits || ', of an event of ' || e.credits
        FROM usage_usageevent c JOIN usage_usageevent e ON e.id = c.corrects_id
        WHERE c.source = 'correction' AND c.credits <> -e.credits
            OR c.organization_id <> e.organization_id OR c.month <> e.month OR c.counter_ids <> e.counter_ids
            OR c.actor_id IS DISTINCT FROM e.actor_id OR c.occurred_at <> e.occurred_at""",
    "an event is taken back by what takes back its charge": """
        SELECT 'event ' || c.id, 'entry ' || coalesce(r.number::text, 'none')
        FROM usage_usageevent c
        JOIN usage_usageevent e ON e.id = c.corrects_id
        LEFT JOIN credits_ledgerentry r ON r.id = c.entry_id AND r.kind = 'reversal'
        LEFT JOIN credits_ledgerentry n ON n.id = r.reverses_id
        WHERE c.source = 'correction' AND (e.entry_id = n.id) IS NOT TRUE
            AND (e.reservation_id = n.reservation_id AND n.reverses_id IS NULL) IS NOT TRUE""",
    "work whose charge was taken back has its events taken back": """
        SELECT 'entry ' || r.id, 'returned ' || r.amount || ', events ' || coalesce(c.total, 0)
        FROM credits_ledgerentry r
        JOIN credits_ledgerentry n ON n.id = r.reverses_id AND n.kind = 'settle'
        LEFT JOIN (
            SELECT entry_id, -sum(credits) AS total FROM usage_usageevent WHERE source = 'correction' GROUP BY 1
        ) c ON c.entry_id = r.id
        WHERE r.kind = 'reversal' AND r.amount <> coalesce(c.total, 0) AND (
            EXISTS (SELECT FROM usage_usageevent e WHERE e.entry_id = n.id)
            OR n.reverses_id IS NULL
                AND EXISTS (SELECT FROM usage_usageevent e WHERE e.reservation_id = n.reservation_id)
        )""",
    "work is priced again only where its price was taken back": """
        SELECT 'event ' || c.id, 'stands for an event of ' || e.credits
        FROM usage_usageevent c JOIN usage_usageevent e ON e.id = c.corrects_id
        WHERE c.source = 'rerated' AND e.credits <> 0 AND NOT EXISTS (
            SELECT FROM usage_usageevent b WHERE b.corrects_id = e.id AND b.source = 'correction'
        )""",
    "free work costs nothing": """
        SELECT 'event ' || id, 'credits ' || credits FROM usage_usageevent WHERE byok AND credits <> 0""",
}
