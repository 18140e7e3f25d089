-- What the path of a request writes, as two functions on the tables as they are: no check is made, everything is written.

CREATE FUNCTION bench.hold(p_caller integer, p_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    c bench.caller;
    v_now timestamptz := clock_timestamp();
    v_month date := date_trunc('month', v_now AT TIME ZONE 'UTC')::date;
    v_ids bigint[];
    w record;
BEGIN
    SELECT * INTO c FROM bench.caller WHERE n = p_caller;
    PERFORM 1 FROM credits_wallet WHERE id = c.wallet_id FOR NO KEY UPDATE;
    SELECT wallet.period_id, wallet.balance, period.used, period.reserved, config.monthly_cap INTO w
        FROM credits_wallet wallet JOIN credits_billingperiod period ON period.id = wallet.period_id
            JOIN credits_creditconfig config ON config.wallet_id = wallet.id
        WHERE wallet.id = c.wallet_id;
    UPDATE credits_usagecounter SET reserved = reserved + c.credits
        WHERE wallet_id = c.wallet_id AND month = v_month AND group_id IS NULL AND resource_type = '';
    IF NOT FOUND THEN
        INSERT INTO credits_usagecounter (wallet_id, month, actor_id, resource_type, resource_id, used, reserved)
            VALUES (c.wallet_id, v_month, NULL, '', '', 0, c.credits), (c.wallet_id, v_month, c.actor_id, '', '', 0, c.credits);
    END IF;
    SELECT array_agg(id) INTO v_ids FROM credits_usagecounter WHERE wallet_id = c.wallet_id AND month = v_month;
    UPDATE credits_wallet SET reserved = reserved + c.credits, open_holds = open_holds + 1 WHERE id = c.wallet_id;
    UPDATE credits_billingperiod SET reserved = reserved + c.credits WHERE id = w.period_id;
    INSERT INTO credits_reservation (
        id, wallet_id, period_id, status, mode, credits, late, actor_id, counter_ids, work_type, resource_type, resource_id, requested_model,
        effective_model, decision, is_charged, byok, estimate, rate_card, limits, metadata, performed_by, expires_at, created_at
    ) VALUES (
        p_id, c.wallet_id, w.period_id, 'open', 'exact', c.credits, false, c.actor_id, v_ids, 'ai', '', '', c.model, c.model, 'allow', true,
        false, c.estimate, c.rate_card, c.limits, '{}', 'key_of_the_gateway', v_now + interval '15 minutes', v_now
    );
    RETURN p_id;
END $$;

CREATE FUNCTION bench.settle(p_caller integer, p_id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c bench.caller;
    v_now timestamptz := clock_timestamp();
    v_entry uuid := bench.new_id();
    v_grant uuid;
    v_hash bytea;
    v_used numeric;
    r record;
    w record;
BEGIN
    SELECT * INTO c FROM bench.caller WHERE n = p_caller;
    PERFORM 1 FROM credits_wallet WHERE id = c.wallet_id FOR NO KEY UPDATE;
    SELECT balance, allowance_remaining, head_number, head_hash, period_id, event_position INTO w FROM credits_wallet WHERE id = c.wallet_id;
    UPDATE credits_reservation SET status = 'settled', settled_credits = c.settled, settled_with = c.estimate, closed_at = v_now
        WHERE id = p_id RETURNING credits, counter_ids, period_id INTO r;
    SELECT id INTO v_grant FROM credits_grant WHERE wallet_id = c.wallet_id AND remaining > 0 ORDER BY priority, expires_at LIMIT 1;
    UPDATE credits_grant SET remaining = remaining - c.settled WHERE id = v_grant;
    UPDATE credits_billingperiod SET reserved = reserved - r.credits, used = used + c.settled WHERE id = r.period_id
        RETURNING used INTO v_used;
    UPDATE credits_usagecounter SET reserved = reserved - r.credits, used = used + c.settled WHERE id = ANY (r.counter_ids);
    v_hash := sha256(w.head_hash || convert_to(concat_ws('|', v_entry, c.wallet_id, w.head_number, c.settled, v_now), 'UTF8'));
    INSERT INTO credits_ledgerentry (
        id, wallet_id, number, period_id, kind, amount, balance_after, allowance_after, usage_after, reservation_id, counted_in_id, reference,
        reason, metadata, performed_by, posted_at, previous_hash, hash
    ) VALUES (
        v_entry, c.wallet_id, w.head_number + 1, w.period_id, 'settle', -c.settled, w.balance - c.settled, w.allowance_remaining - c.settled,
        v_used, p_id, r.period_id, '', '', '{}', 'key_of_the_gateway', v_now, w.head_hash, v_hash
    );
    INSERT INTO credits_grantdraw (entry_id, grant_id, amount) VALUES (v_entry, v_grant, -c.settled);
    UPDATE credits_wallet SET reserved = reserved - r.credits, open_holds = open_holds - 1, balance = balance - c.settled,
            allowance_remaining = allowance_remaining - c.settled, head_number = head_number + 1, head_hash = v_hash,
            event_position = event_position + 1
        WHERE id = c.wallet_id;
    INSERT INTO usage_usageevent (
        id, organization_id, source, external_id, reservation_id, actor_id, model_id, work_type, resource_type, resource_id, input_tokens,
        output_tokens, credits, list_credits, month, counter_ids, byok, late, metadata, occurred_at, created_at, position
    ) VALUES (
        bench.new_id(), c.organization_id, 'reservation', p_id, p_id, c.actor_id, c.model, 'ai', '', '', 900, 200, c.settled, c.settled,
        date_trunc('month', v_now AT TIME ZONE 'UTC'), r.counter_ids, false, false, '{}', v_now, v_now,
        w.event_position + 1
    );
    RETURN 'settled';
END $$;

CREATE FUNCTION bench.tell(p_caller integer, p_body text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    c bench.caller;
    v_now timestamptz := clock_timestamp();
    v_position bigint;
    v_count bigint;
BEGIN
    SELECT * INTO c FROM bench.caller WHERE n = p_caller;
    UPDATE credits_wallet SET event_position = event_position + 1000 WHERE id = c.wallet_id RETURNING event_position INTO v_position;
    INSERT INTO usage_usageevent (
        id, organization_id, source, external_id, actor_id, model_id, work_type, resource_type, resource_id, input_tokens, output_tokens,
        credits, list_credits, month, counter_ids, byok, late, metadata, occurred_at, created_at, position
    ) SELECT bench.new_id(), c.organization_id, e.source, e.id, c.actor_id, e.model, 'ai', '', '', e."inputTokens", e."outputTokens",
            c.settled, c.settled, date_trunc('month', v_now AT TIME ZONE 'UTC'), '{}', false, false, '{}', v_now, v_now,
            v_position - 1000 + row_number() OVER ()
        FROM jsonb_to_recordset(p_body::jsonb -> 'events')
            AS e (source text, id text, model text, "inputTokens" bigint, "outputTokens" bigint)
        ON CONFLICT (organization_id, source, external_id) DO NOTHING;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
