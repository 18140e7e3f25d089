-- What a portion of told events writes, set-wise, and nothing is asked that the tables do not ask. The entry that charges it is left out: one for
-- all of them.

CREATE FUNCTION bench.tell(p_caller integer, p_events text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    c bench.caller;
    v_now timestamptz := clock_timestamp();
    v_month date := date_trunc('month', v_now AT TIME ZONE 'UTC')::date;
    v_events jsonb := p_events::jsonb;
    v_count bigint := jsonb_array_length(v_events);
    v_position bigint;
    v_period bigint;
    v_ids bigint[];
BEGIN
    SELECT * INTO c FROM bench.caller WHERE n = p_caller;
    UPDATE credits_wallet SET event_position = event_position + v_count WHERE id = c.wallet_id
        RETURNING event_position, period_id INTO v_position, v_period;
    UPDATE credits_billingperiod SET used = used + v_count * c.credits WHERE id = v_period;
    WITH counted AS (
        UPDATE credits_usagecounter SET used = used + v_count * c.credits
        WHERE wallet_id = c.wallet_id AND month = v_month AND (actor_id IS NULL OR actor_id = c.actor_id)
        RETURNING id
    )
    SELECT coalesce(array_agg(id), '{}') INTO v_ids FROM counted;
    INSERT INTO usage_usageevent (
        id, organization_id, source, external_id, actor_id, model_id, work_type, resource_type, resource_id, input_tokens, output_tokens,
        credits, list_credits, month, counter_ids, byok, late, metadata, occurred_at, created_at, position
    )
    SELECT bench.new_id(), c.organization_id, e.source, e.id, c.actor_id, e.model, 'ai', '', '', e."inputTokens", e."outputTokens", c.credits,
            c.credits, v_month, v_ids, false, false, '{}', v_now, v_now, v_position - v_count + row_number() OVER ()
        FROM jsonb_to_recordset(v_events) AS e (source text, id text, model text, "inputTokens" bigint, "outputTokens" bigint);
    RETURN v_count;
END $$;
