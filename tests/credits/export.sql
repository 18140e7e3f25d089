SELECT row_to_json(ledger) FROM (
    SELECT
        encode(previous_hash, 'hex') AS previous_hash, wallet_id, number, id, period_id, kind, amount, balance_after, allowance_after,
        usage_after, reservation_id, counted_in_id, reverses_id, transfer_id, reference, reason, metadata::text, performed_by, posted_at,
        encode(hash, 'hex') AS hash,
        (SELECT json_agg(d) FROM credits_grantdraw d WHERE d.entry_id = e.id) AS draws,
        (SELECT json_agg(g) FROM credits_grant g WHERE g.entry_id = e.id) AS grants
    FROM credits_ledgerentry e ORDER BY wallet_id, number
) ledger;
