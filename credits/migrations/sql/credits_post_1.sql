-- Writes entries, in their order, with all that they change: draws, new grants, what remains of others, what references mean, the wallets and
-- their heads. It decides nothing, and is called under the locks of the wallets. Each entry continues the one before it: `previous_hash`
-- names the head of its wallet, and `follows` instead an entry of this very call, by its place. Both sides of a transfer are posted at one
-- moment: `beside` names the wallets whose last entries none of them may precede. Returns the moment and the hash of each.
CREATE FUNCTION credits_post_1(entries jsonb) RETURNS TABLE (posted_at timestamptz, hash bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    entry record;
    made text;
    moment timestamptz;
    digest bytea;
    digests bytea[] := '{}';
    previous bytea;
BEGIN
    FOR entry IN SELECT * FROM jsonb_to_recordset(entries) AS e (
        id uuid, wallet_id uuid, number bigint, period_id bigint, kind text, amount numeric(24, 6), balance_after numeric(24, 6),
        allowance_after numeric(24, 6), usage_after numeric(24, 6), reservation_id uuid, counted_in_id bigint, reverses_id uuid,
        transfer_id uuid, reference text, reason text, metadata text, performed_by text, posted_at timestamptz, previous_hash text,
        follows integer, drawn uuid[], draws numeric(24, 6)[], grants jsonb, namespace text, lapse_at timestamptz,
        beside uuid[]
    ) LOOP
        SELECT max(credits_clamp_1(entry.posted_at, w.posted_at)) INTO moment FROM credits_wallet w WHERE w.id = ANY (entry.beside);
        previous := coalesce(digests[entry.follows], decode(entry.previous_hash, 'hex'));
        SELECT coalesce(string_agg(credits_grant_text_1(
            g.id, entry.wallet_id, g.source, g.amount, g.priority, g.expires_at, g.term_starts_at, g.seat, g.upgrade, moment
        ), '' ORDER BY g.id), '') INTO made
        FROM jsonb_to_recordset(entry.grants) AS g (
            id uuid, source text, amount numeric(24, 6), priority integer, expires_at timestamptz, term_starts_at timestamptz, seat integer,
            upgrade integer
        );
        digest := credits_entry_hash_1(
            previous, entry.wallet_id, entry.number, entry.id, entry.period_id, entry.kind, entry.amount, entry.balance_after,
            entry.allowance_after, entry.usage_after, entry.reservation_id, entry.counted_in_id, entry.reverses_id, entry.transfer_id,
            entry.reference, entry.reason, entry.metadata::jsonb::text, entry.performed_by, moment,
            credits_draws_text_1(entry.drawn, entry.draws), made
        );
        digests := digests || digest;
        INSERT INTO credits_ledgerentry (
            id, wallet_id, number, period_id, kind, amount, balance_after, allowance_after, usage_after, reservation_id, counted_in_id,
            reverses_id, transfer_id, reference, reason, metadata, performed_by, posted_at, previous_hash, hash
        ) VALUES (
            entry.id, entry.wallet_id, entry.number, entry.period_id, entry.kind, entry.amount, entry.balance_after, entry.allowance_after,
            entry.usage_after, entry.reservation_id, entry.counted_in_id, entry.reverses_id, entry.transfer_id, entry.reference,
            entry.reason, entry.metadata::jsonb, entry.performed_by, moment, previous, digest
        );
        IF cardinality(entry.drawn) > 0 THEN
            -- Before its own grants are there: what remains of those they say themselves.
            UPDATE credits_grant g SET remaining = g.remaining + d.amount
            FROM unnest(entry.drawn, entry.draws) AS d (id, amount) WHERE g.id = d.id;
        END IF;
        INSERT INTO credits_grant (
            id, wallet_id, entry_id, source, amount, remaining, priority, expires_at, term_starts_at, seat, upgrade, created_at
        )
        SELECT
            g.id, entry.wallet_id, entry.id, g.source, g.amount, g.remaining, g.priority, g.expires_at, g.term_starts_at, g.seat, g.upgrade,
            moment
        FROM jsonb_to_recordset(entry.grants) AS g (
            id uuid, source text, amount numeric(24, 6), remaining numeric(24, 6), priority integer, expires_at timestamptz,
            term_starts_at timestamptz, seat integer, upgrade integer
        );
        INSERT INTO credits_grantdraw (entry_id, grant_id, amount)
        SELECT entry.id, d.id, d.amount FROM unnest(entry.drawn, entry.draws) AS d (id, amount);
        IF entry.namespace <> '' THEN
            INSERT INTO credits_reference (wallet_id, namespace, text, entry_id)
            VALUES (entry.wallet_id, entry.namespace, entry.reference, entry.id);
        END IF;
        UPDATE credits_wallet SET
            balance = entry.balance_after, allowance_remaining = entry.allowance_after, head_number = entry.number, head_hash = digest,
            lapse_at = entry.lapse_at, posted_at = moment
        WHERE id = entry.wallet_id;
        RETURN QUERY SELECT moment, digest;
    END LOOP;
END $$;
