-- Writes entries, in their order, with all that they change: draws, new grants, what remains of others, what references mean, the wallets and
-- their heads. It decides nothing, and is called under the locks of the wallets. Each entry continues the one before it: `previous_hash`
-- names the head of its wallet, and `follows` instead an entry of this very call, by its place. Both sides of a transfer are posted at one
-- moment: `beside` names the wallets whose last entries none of them may precede. Returns the moment and the hash of each.
--
-- Moments and hashes are found one after another, since each may continue another; then every table is written once, however many they are.
CREATE FUNCTION credits_post_2(entries jsonb) RETURNS TABLE (posted_at timestamptz, hash bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    entry record;
    side uuid;
    made text;
    last jsonb;
    is_chain boolean;
    moment timestamptz;
    digest bytea;
    previous bytea;
    moments timestamptz[] := '{}';
    digests bytea[] := '{}';
    previouses bytea[] := '{}';
BEGIN
    SELECT jsonb_object_agg(w.id, w.posted_at) INTO last FROM credits_wallet w
    WHERE w.id = ANY (ARRAY(SELECT unnest(e.beside) FROM jsonb_to_recordset(entries) AS e (beside uuid[])));
    is_chain := EXISTS (SELECT FROM jsonb_to_recordset(entries) AS e (follows integer) WHERE e.follows IS NOT NULL);
    FOR entry IN SELECT * FROM jsonb_to_recordset(entries) AS e (
        id uuid, wallet_id uuid, number bigint, period_id bigint, kind text, amount numeric(24, 6), balance_after numeric(24, 6),
        allowance_after numeric(24, 6), usage_after numeric(24, 6), reservation_id uuid, counted_in_id bigint, reverses_id uuid,
        transfer_id uuid, reference text, reason text, metadata text, performed_by text, posted_at timestamptz, previous_hash text,
        follows integer, drawn uuid[], draws numeric(24, 6)[], grants jsonb, beside uuid[]
    ) LOOP
        moment := entry.posted_at;
        FOREACH side IN ARRAY entry.beside LOOP
            moment := greatest(moment, credits_clamp_1(entry.posted_at, (last ->> side::text)::timestamptz));
        END LOOP;
        IF is_chain THEN
            last := last || jsonb_build_object(entry.wallet_id, moment);
        END IF;
        previous := coalesce(digests[entry.follows], decode(entry.previous_hash, 'hex'));
        made := '';
        IF jsonb_array_length(entry.grants) > 0 THEN
            SELECT string_agg(credits_grant_text_1(
                g.id, entry.wallet_id, g.source, g.amount, g.priority, g.expires_at, g.term_starts_at, g.seat, g.upgrade, moment
            ), '' ORDER BY g.id) INTO made
            FROM jsonb_to_recordset(entry.grants) AS g (
                id uuid, source text, amount numeric(24, 6), priority integer, expires_at timestamptz, term_starts_at timestamptz,
                seat integer, upgrade integer
            );
        END IF;
        digest := credits_entry_hash_1(
            previous, entry.wallet_id, entry.number, entry.id, entry.period_id, entry.kind, entry.amount, entry.balance_after,
            entry.allowance_after, entry.usage_after, entry.reservation_id, entry.counted_in_id, entry.reverses_id, entry.transfer_id,
            entry.reference, entry.reason, entry.metadata::jsonb::text, entry.performed_by, moment,
            credits_draws_text_1(entry.drawn, entry.draws), made
        );
        moments := moments || moment;
        previouses := previouses || previous;
        digests := digests || digest;
    END LOOP;

    INSERT INTO credits_ledgerentry (
        id, wallet_id, number, period_id, kind, amount, balance_after, allowance_after, usage_after, reservation_id, counted_in_id,
        reverses_id, transfer_id, reference, reason, metadata, performed_by, posted_at, previous_hash, hash
    )
    SELECT
        e.id, e.wallet_id, e.number, e.period_id, e.kind, e.amount, e.balance_after, e.allowance_after, e.usage_after, e.reservation_id,
        e.counted_in_id, e.reverses_id, e.transfer_id, e.reference, e.reason, e.metadata::jsonb, e.performed_by, e.moment, e.previous, e.digest
    FROM ROWS FROM (
        jsonb_to_recordset(entries) AS (
            id uuid, wallet_id uuid, number bigint, period_id bigint, kind text, amount numeric(24, 6), balance_after numeric(24, 6),
            allowance_after numeric(24, 6), usage_after numeric(24, 6), reservation_id uuid, counted_in_id bigint, reverses_id uuid,
            transfer_id uuid, reference text, reason text, metadata text, performed_by text
        ), unnest(moments, previouses, digests)
    ) AS e (
        id, wallet_id, number, period_id, kind, amount, balance_after, allowance_after, usage_after, reservation_id, counted_in_id,
        reverses_id, transfer_id, reference, reason, metadata, performed_by, moment, previous, digest
    );

    -- Before the new grants are there: what remains of those they say themselves.
    UPDATE credits_grant g SET remaining = g.remaining + d.amount
    FROM (
        SELECT d.id, sum(d.amount) AS amount
        FROM jsonb_to_recordset(entries) AS e (drawn uuid[], draws numeric(24, 6)[]), unnest(e.drawn, e.draws) AS d (id, amount)
        GROUP BY d.id
    ) d
    WHERE g.id = d.id;

    INSERT INTO credits_grant (
        id, wallet_id, entry_id, source, amount, remaining, priority, expires_at, term_starts_at, seat, upgrade, name, category, created_at
    )
    SELECT
        g.id, e.wallet_id, e.id, g.source, g.amount, g.remaining, g.priority, g.expires_at, g.term_starts_at, g.seat, g.upgrade, g.name,
        g.category, e.moment
    FROM ROWS FROM (
        jsonb_to_recordset(entries) AS (id uuid, wallet_id uuid, grants jsonb), unnest(moments)
    ) AS e (id, wallet_id, grants, moment), jsonb_to_recordset(e.grants) AS g (
        id uuid, source text, amount numeric(24, 6), remaining numeric(24, 6), priority integer, expires_at timestamptz,
        term_starts_at timestamptz, seat integer, upgrade integer, name text, category text
    );

    INSERT INTO credits_grantdraw (entry_id, grant_id, amount)
    SELECT e.id, d.id, d.amount
    FROM jsonb_to_recordset(entries) AS e (id uuid, drawn uuid[], draws numeric(24, 6)[]), unnest(e.drawn, e.draws) AS d (id, amount);

    INSERT INTO credits_reference (wallet_id, namespace, text, entry_id)
    SELECT e.wallet_id, e.namespace, e.reference, e.id
    FROM jsonb_to_recordset(entries) AS e (id uuid, wallet_id uuid, namespace text, reference text)
    WHERE e.namespace <> '';

    -- The last of each wallet is its head.
    UPDATE credits_wallet w SET
        balance = e.balance_after, allowance_remaining = e.allowance_after, head_number = e.number, head_hash = e.digest,
        lapse_at = e.lapse_at, posted_at = e.moment
    FROM (
        SELECT DISTINCT ON (e.wallet_id) e.*
        FROM ROWS FROM (
            jsonb_to_recordset(entries) AS (
                wallet_id uuid, number bigint, balance_after numeric(24, 6), allowance_after numeric(24, 6), lapse_at timestamptz
            ), unnest(moments, digests)
        ) AS e (wallet_id, number, balance_after, allowance_after, lapse_at, moment, digest)
        ORDER BY e.wallet_id, e.number DESC
    ) e
    WHERE w.id = e.wallet_id;

    RETURN QUERY SELECT * FROM unnest(moments, digests);
END $$;
