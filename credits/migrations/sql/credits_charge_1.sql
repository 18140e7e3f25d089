-- The one charge, on a wallet whose lock is held: draw grants in their order, as many as it takes, and what they lack becomes debt; write the
-- entry with its hash, the draws, the period that counts the work, and the wallet's row, once.
--
-- p_follows is for work that is charged again: the reversal before it, whose grants are drawn first. p_freed and p_ended are what a hold that
-- ends with it had reserved; p_events how many usage events are written with it: `event_number` is the position of the last of them.
CREATE FUNCTION credits_charge_1(
    p_wallet uuid,
    p_amount numeric,
    p_counted_in bigint,
    p_reservation uuid,
    p_follows uuid,
    p_entry uuid,
    p_metadata jsonb,
    p_performed_by text,
    p_moment timestamptz,
    p_freed numeric,
    p_ended integer,
    p_events integer,
    OUT event_number bigint,
    OUT posted_at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_left numeric(24, 6) := p_amount;
    v_part numeric(24, 6);
    v_allowance numeric(24, 6) := 0;
    v_used numeric(24, 6);
    v_grants uuid[] := '{}';
    v_amounts numeric(24, 6)[] := '{}';
    v_hash bytea;
    v_seen integer := 0;
    v_seen_before integer;
    w record;
    g record;
BEGIN
    SELECT balance, allowance_remaining, head_number, head_hash, period_id, credits_clamp_1(p_moment, wallet.posted_at) AS moment
        INTO w FROM credits_wallet wallet WHERE id = p_wallet;
    posted_at := w.moment;
    IF p_amount <> 0 OR p_freed <> 0 THEN
        UPDATE credits_billingperiod SET used = used + p_amount, reserved = reserved - p_freed WHERE id = p_counted_in
            RETURNING used INTO v_used;
    END IF;
    IF p_amount = 0 THEN
        UPDATE credits_wallet SET reserved = reserved - p_freed, open_holds = open_holds - p_ended,
                event_position = event_position + p_events
            WHERE id = p_wallet RETURNING event_position INTO event_number;
        RETURN;
    END IF;
    IF p_follows IS NOT NULL THEN
        FOR g IN
            SELECT id, remaining, source FROM credits_grant
            WHERE wallet_id = p_wallet AND live
                AND id IN (SELECT grant_id FROM credits_grantdraw WHERE entry_id = p_follows)
            ORDER BY priority, expires_at, created_at, id
        LOOP
            EXIT WHEN v_left = 0;
            v_part := least(g.remaining, v_left);
            v_left := v_left - v_part;
            v_grants := array_append(v_grants, g.id);
            v_amounts := array_append(v_amounts, -v_part);
            IF g.source = 'allowance' THEN
                v_allowance := v_allowance + v_part;
            END IF;
        END LOOP;
    END IF;
    -- By the index, in its order, a few at a time: without a limit all of thousands would be read and sorted.
    WHILE v_left > 0 AND w.balance > 0 LOOP
        v_seen_before := v_seen;
        FOR g IN
            SELECT id, remaining, source FROM credits_grant WHERE wallet_id = p_wallet AND live
            ORDER BY priority, expires_at, created_at, id OFFSET v_seen LIMIT 30 + v_seen
        LOOP
            v_seen := v_seen + 1;
            CONTINUE WHEN g.id = ANY (v_grants);
            v_part := least(g.remaining, v_left);
            v_left := v_left - v_part;
            v_grants := array_append(v_grants, g.id);
            v_amounts := array_append(v_amounts, -v_part);
            IF g.source = 'allowance' THEN
                v_allowance := v_allowance + v_part;
            END IF;
            EXIT WHEN v_left = 0;
        END LOOP;
        EXIT WHEN v_seen = v_seen_before;
    END LOOP;
    v_hash := credits_entry_hash_1(
        w.head_hash, p_wallet, w.head_number + 1, p_entry, w.period_id, 'settle', -p_amount, w.balance - p_amount,
        w.allowance_remaining - v_allowance, v_used, p_reservation, p_counted_in, p_follows, NULL, '', '', p_metadata::text, p_performed_by,
        posted_at, credits_draws_text_1(v_grants, v_amounts), ''
    );
    INSERT INTO credits_ledgerentry (
        id, wallet_id, number, period_id, kind, amount, balance_after, allowance_after, usage_after, reservation_id, counted_in_id,
        reverses_id, transfer_id, reference, reason, metadata, performed_by, posted_at, previous_hash, hash
    ) VALUES (
        p_entry, p_wallet, w.head_number + 1, w.period_id, 'settle', -p_amount, w.balance - p_amount, w.allowance_remaining - v_allowance,
        v_used, p_reservation, p_counted_in, p_follows, NULL, '', '', p_metadata, p_performed_by, posted_at, w.head_hash, v_hash
    );
    IF cardinality(v_grants) = 1 THEN
        -- Most draw on one: to unnest it would take longer than both statements.
        UPDATE credits_grant SET remaining = remaining + v_amounts[1] WHERE id = v_grants[1];
        INSERT INTO credits_grantdraw (entry_id, grant_id, amount) VALUES (p_entry, v_grants[1], v_amounts[1]);
    ELSIF v_grants <> '{}' THEN
        UPDATE credits_grant lot SET remaining = lot.remaining + d.amount FROM unnest(v_grants, v_amounts) AS d (id, amount) WHERE lot.id = d.id;
        INSERT INTO credits_grantdraw (entry_id, grant_id, amount)
            SELECT p_entry, d.id, d.amount FROM unnest(v_grants, v_amounts) AS d (id, amount);
    END IF;
    UPDATE credits_wallet SET
            balance = balance - p_amount, allowance_remaining = allowance_remaining - v_allowance, head_number = head_number + 1,
            head_hash = v_hash, posted_at = credits_charge_1.posted_at, reserved = reserved - p_freed, open_holds = open_holds - p_ended,
            event_position = event_position + p_events
        WHERE id = p_wallet RETURNING event_position INTO event_number;
END
$$;
