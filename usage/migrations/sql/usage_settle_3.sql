-- Charge what the work of a hold really cost, and tell it in one usage event: in one round trip, once.
--
-- outcome:
--   settled    done; `charged` of it, `late` if the hold had expired, and in `figures` the limits as they are then (credits_figures_1)
--   earlier    there is an answer under the idempotency key, in earlier_*
--   due        a period or a grant has ended, which must be posted first
--   archived   what the hold frees goes on to the parent: lock it first (p_archived says that it is)
--   missing    the organization has no such hold
--   repeated, other, released    it was settled with this input; with another; it was released
--   too_large, too_many_times    more than one piece of work may cost; more than p_times_hold times its hold
--
-- entry: the one that charged it, of work that was charged something, also if it is repeated
--
-- p_metadata is what the event and the entry say beside it: unless given, what was reserved with. p_model, p_variant and p_rated_at are
-- which model served the work, how, and from when the prices are that p_cost is by.
--
-- Plans are kept, as credits_hold_2 keeps them.
CREATE FUNCTION usage_settle_3(
    p_organization uuid,
    p_reservation uuid,
    p_now timestamptz,
    p_key_organization uuid,
    p_key_owner text,
    p_key text,
    p_fingerprint bytea,
    p_archived boolean,
    p_cost numeric,
    p_given text,
    p_times_hold integer,
    p_performed_by text,
    p_entry uuid,
    p_event uuid,
    p_tokens bigint[],
    p_note text,
    p_metadata text,
    p_usage text,
    p_model text,
    p_variant text,
    p_rated_at timestamptz,
    OUT outcome text,
    OUT charged numeric,
    OUT late boolean,
    OUT moment timestamptz,
    OUT figures numeric[],
    OUT entry uuid,
    OUT earlier_fingerprint bytea,
    OUT earlier_status integer,
    OUT earlier_format integer,
    OUT earlier_body text
) LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_wallet uuid;
    v_cost numeric(24, 6) := p_cost;
    v_unpaid numeric(24, 6);
    v_freed numeric(24, 6) := 0;
    v_free_freed numeric(24, 6) := 0;
    v_metadata jsonb;
    v_most numeric;
    v_answer text;
    r record;
    c record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a charge needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    -- A statement of its own: what is joined to a locked row is as old as the statement. Who finds an answer waits for no lock.
    SELECT id INTO v_wallet FROM credits_wallet
        WHERE organization_id = p_organization
            AND NOT EXISTS (SELECT FROM organizations_answer_2(p_key_organization, p_key_owner, p_key, p_now))
        FOR NO KEY UPDATE;
    IF v_wallet IS NULL THEN
        SELECT k.* INTO earlier_fingerprint, earlier_status, earlier_format, earlier_body
            FROM organizations_answer_2(p_key_organization, p_key_owner, p_key, p_now) AS k;
        IF FOUND THEN
            outcome := 'earlier';
            RETURN;
        END IF;
        -- It has been cleared away since.
        SELECT id INTO v_wallet FROM credits_wallet WHERE organization_id = p_organization FOR NO KEY UPDATE;
    END IF;
    SELECT held.id, held.status, held.settled_credits, held.settled_with, held.byok, held.credits, held.free_credits, held.is_charged,
            held.expires_at, held.period_id, held.metadata, held.counter_ids, held.figures, held.actor_id, held.group_id, held.work_type,
            held.resource_type, held.resource_id, held.created_at, wallet.balance, wallet.lapse_at, period.ends_at,
            organization.status = 'archived' AS is_archived, credits_clamp_1(p_now, wallet.posted_at) AS moment,
            k.fingerprint, k.status AS answered, k.format, k.body
        INTO r
        FROM credits_wallet wallet
            JOIN credits_billingperiod period ON period.id = wallet.period_id
            JOIN organizations_organization organization ON organization.id = wallet.organization_id
            LEFT JOIN credits_reservation held ON held.id = p_reservation AND held.wallet_id = wallet.id
            LEFT JOIN organizations_answer_2(p_key_organization, p_key_owner, p_key, p_now) AS k ON true
        WHERE wallet.id = v_wallet;
    IF r.fingerprint IS NOT NULL THEN
        outcome := 'earlier';
        earlier_fingerprint := r.fingerprint;
        earlier_status := r.answered;
        earlier_format := r.format;
        earlier_body := r.body;
        RETURN;
    ELSIF r.id IS NULL THEN
        outcome := 'missing';
        RETURN;
    ELSIF r.status = 'settled' THEN
        charged := r.settled_credits;
        outcome := CASE WHEN r.settled_with = p_given::jsonb THEN 'repeated' ELSE 'other' END;
        SELECT id INTO entry FROM credits_ledgerentry
            WHERE reservation_id = p_reservation AND kind = 'settle' AND reverses_id IS NULL;
        RETURN;
    ELSIF r.status = 'released' THEN
        outcome := 'released';
        RETURN;
    END IF;
    moment := r.moment;
    IF r.lapse_at <= moment OR (r.ends_at <= moment AND NOT r.is_archived) THEN
        outcome := 'due';
        RETURN;
    ELSIF r.is_archived AND NOT p_archived THEN
        outcome := 'archived';
        RETURN;
    END IF;
    IF r.byok THEN
        v_cost := 0;
    END IF;
    IF v_cost > r.credits + r.free_credits THEN
        SELECT charge_limit INTO v_most FROM credits_creditconfig WHERE wallet_id = v_wallet;
        IF v_cost > v_most THEN
            outcome := 'too_large';
            charged := v_most;
            RETURN;
        ELSIF v_cost > p_times_hold * (r.credits + r.free_credits) THEN
            outcome := 'too_many_times';
            charged := r.credits + r.free_credits;
            RETURN;
        END IF;
    END IF;

    late := r.status = 'expired' OR r.expires_at <= moment;
    charged := v_cost;
    IF NOT r.is_charged AND NOT r.byok THEN
        -- A free fallback is charged as far as the balance reaches, and never into debt.
        charged := least(v_cost, greatest(0, r.balance));
    END IF;
    v_unpaid := v_cost - charged;
    IF r.status = 'open' THEN
        v_freed := r.credits;
        v_free_freed := r.free_credits;
    END IF;
    v_metadata := coalesce(p_metadata::jsonb, r.metadata);
    c := credits_charge_1(
        v_wallet, charged, r.period_id, p_reservation, NULL, p_entry, v_metadata, p_performed_by, moment, v_freed,
        (r.status = 'open')::integer, 1
    );
    IF charged <> 0 THEN
        entry := p_entry;
    END IF;
    IF cardinality(r.counter_ids) > 0 AND (charged <> 0 OR v_freed <> 0 OR v_unpaid <> 0 OR v_free_freed <> 0) THEN
        UPDATE credits_usagecounter counter SET
                used = counter.used + charged,
                reserved = counter.reserved - v_freed,
                free_used = counter.free_used + CASE WHEN counter.id = r.counter_ids[1] THEN v_unpaid ELSE 0 END,
                free_reserved = counter.free_reserved - CASE WHEN counter.id = r.counter_ids[1] THEN v_free_freed ELSE 0 END
            WHERE counter.id = ANY (r.counter_ids);
    END IF;
    figures := credits_figures_1(r.figures, v_wallet, r.period_id, r.counter_ids);
    UPDATE credits_reservation stored SET
            status = 'settled', settled_credits = charged, settled_with = p_given::jsonb, late = usage_settle_3.late, closed_at = moment,
            figures = usage_settle_3.figures
        WHERE id = p_reservation
        RETURNING CASE WHEN p_key IS NOT NULL THEN credits_answer_2(
            id, status, credits, settled_credits, stored.late, actor_id, group_id, resource_type, resource_id, requested_model,
            effective_model, decision, byok, estimate, rate_card, stored.figures, expires_at
        ) END INTO v_answer;
    INSERT INTO usage_usageevent (
        id, organization_id, source, external_id, reservation_id, actor_id, group_id, model_id, work_type, resource_type, resource_id,
        input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage, variant, credits, list_credits,
        rated_at, month, counter_ids, byok, late, note, metadata, occurred_at, created_at, position
    ) VALUES (
        p_event, p_organization, 'reservation', p_reservation::text, p_reservation, r.actor_id, r.group_id, p_model,
        r.work_type, r.resource_type, r.resource_id, p_tokens[1], p_tokens[2], p_tokens[3], p_tokens[4], p_tokens[5], p_usage::jsonb, p_variant,
        charged, p_cost, p_rated_at, date_trunc('month', r.created_at AT TIME ZONE 'UTC')::date, r.counter_ids, r.byok, late,
        p_note, v_metadata, moment, moment, c.event_number
    );
    outcome := 'settled';
    IF p_key IS NOT NULL THEN
        PERFORM organizations_remember_1(
            p_key_organization, p_key_owner, p_key, p_fingerprint, p_now, 200, 2, usage_settled_answer_2(v_answer, entry)
        );
    END IF;
END
$$;
