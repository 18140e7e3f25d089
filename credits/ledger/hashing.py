"""The hash of an entry, by which an edit behind the ledger's back is found.

It has one definition, `credits_entry_hash_1` (credits/migrations/sql/): whatever writes entries calls it, and so does whoever looks.
"""

HASH = """credits_entry_hash_1(
    e.previous_hash, e.wallet_id, e.number, e.id, e.period_id, e.kind, e.amount, e.balance_after, e.allowance_after, e.usage_after,
    e.reservation_id, e.counted_in_id, e.reverses_id, e.transfer_id, e.reference, e.reason, e.metadata::text, e.performed_by, e.posted_at,
    (SELECT credits_draws_text_1(array_agg(d.grant_id), array_agg(d.amount)) FROM credits_grantdraw d WHERE d.entry_id = e.id),
    (SELECT coalesce(string_agg(credits_grant_text_1(
        g.id, g.wallet_id, g.source, g.amount, g.priority, g.expires_at, g.term_starts_at, g.seat, g.upgrade, g.created_at
    ), '' ORDER BY g.id), '') FROM credits_grant g WHERE g.entry_id = e.id))"""
"""The hash that a row `e` of the ledger should have, in SQL."""
