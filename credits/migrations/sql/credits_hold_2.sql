-- The one admission: in one round trip it looks for the idempotency key, locks the wallet, compares what was read before with what is true
-- under the lock, asks `credits_decide_1`, and writes the hold, or nothing. Kinds: `reserve`, `check` (no lock, nothing written), `grow`.
--
-- outcome:
--   held      done; of a check: it would be
--   earlier   there is an answer under the key, in earlier_*
--   stale     the terms are other ones by now: nothing was decided
--   due       a period or a grant has ended, which must be posted first
--   refill    the refill rule would fire: lock the parent, refill, ask again with p_refills false
--   crowded   as many holds are open as may be, of the organization (denied_by 1) or of the actor (2)
--   part      less than was asked for is admitted, `held` and `held_free`: ask again for that, or with p_takes_part
--   missing, closed, enough    of a hold that is to grow: there is none; it is not open; it has so much
--   denied, too_large, nothing as credits_decide_1 says; to grow, `held` is by how much more
--
-- figures: of each limit that was looked at its scope (0 shutoff, 1 actor, 2 group, 3 resource, 4 organization, 5 pool, 6 free fallback), its
-- cap, what is used and reserved of it, and when it resets in seconds since 1970. As they are once the hold is made or has grown; where
-- nothing is written, as they are.
--
-- The plans of its statements are kept, and of those that it calls for: with the values of one call some look cheaper, and were planned anew
-- each time.
CREATE FUNCTION credits_hold_2(
    p_kind text,
    p_organization uuid,
    p_parent uuid,
    p_versions uuid[],
    p_now timestamptz,
    p_valid_until timestamptz,
    p_key_organization uuid,
    p_key_owner text,
    p_key text,
    p_fingerprint bytea,
    p_needs numeric[],
    p_leasts numeric[],
    p_free boolean[],
    p_up_to boolean,
    p_takes_part boolean,
    p_must_hold boolean,
    p_byok boolean,
    p_refills boolean,
    p_downgrade numeric,
    p_shutoff numeric,
    p_scopes integer[],
    p_actors uuid[],
    p_groups uuid[],
    p_resource_types text[],
    p_resource_ids text[],
    p_caps numeric[],
    p_reservation uuid,
    p_work_type text,
    p_requested_model text,
    p_models text[],
    p_cards text[],
    p_estimate text,
    p_metadata text,
    p_performed_by text,
    p_time_to_live interval,
    OUT outcome text,
    OUT model integer,
    OUT held numeric,
    OUT held_free numeric,
    OUT is_charged boolean,
    OUT denied_by integer,
    OUT figures numeric[],
    OUT moment timestamptz,
    OUT period bigint,
    OUT counters bigint[],
    OUT earlier_fingerprint bytea,
    OUT earlier_status integer,
    OUT earlier_format integer,
    OUT earlier_body text
) LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_wallet uuid;
    v_month date;
    v_month_ends numeric;
    v_actor uuid;
    v_group uuid;
    v_resource_type text := '';
    v_resource_id text := '';
    v_own bigint;
    v_settled numeric;
    v_free_used numeric;
    v_free_reserved numeric;
    v_taken numeric[];
    v_caps numeric[];
    v_threshold numeric;
    v_spare numeric;
    v_count bigint;
    v_answer text;
    w record;
    d record;
    counted record;
    r credits_reservation;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'an admission needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF p_kind = 'check' THEN
        SELECT id INTO v_wallet FROM credits_wallet WHERE organization_id = p_organization;
    ELSE
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
    END IF;
    IF p_kind = 'grow' THEN
        SELECT * INTO r FROM credits_reservation WHERE id = p_reservation AND wallet_id = v_wallet;
        period := r.period_id;
    END IF;

    SELECT wallet.balance, wallet.reserved, wallet.balance - wallet.reserved AS unreserved, wallet.open_holds, wallet.terms_version,
            wallet.lapse_at, wallet.refill_cooldown_ends_at, wallet.refill_retry_at, wallet.period_id,
            period.ends_at AS open_ends_at, period.term_ends_at, period.ends_at, period.used AS period_used,
            period.reserved AS period_reserved, config.charge_limit, config.open_holds_limit, config.actor_open_holds_limit,
            config.monthly_cap, config.overdraft_limit, config.allowance, config.allowance_per_user, config.cancel_at_period_end,
            config.free_fallback_limit, config.refill_threshold, config.refill_amount, config.when_empty,
            credits_clamp_1(p_now, wallet.posted_at) AS moment,
            (SELECT version FROM credits_catalogue) AS catalogue_version, k.fingerprint, k.status AS answered, k.format, k.body
        INTO w
        FROM credits_wallet wallet
            JOIN credits_billingperiod period ON period.id = wallet.period_id
            JOIN credits_creditconfig config ON config.wallet_id = wallet.id
            LEFT JOIN organizations_answer_2(p_key_organization, p_key_owner, p_key, p_now) AS k ON true
        WHERE wallet.id = v_wallet;
    IF w.fingerprint IS NOT NULL THEN
        outcome := 'earlier';
        earlier_fingerprint := w.fingerprint;
        earlier_status := w.answered;
        earlier_format := w.format;
        earlier_body := w.body;
        RETURN;
    ELSIF p_kind = 'grow' AND r.id IS NULL THEN
        outcome := 'missing';
        RETURN;
    END IF;
    moment := w.moment;
    IF period <> w.period_id THEN
        SELECT ends_at, used, reserved INTO w.ends_at, w.period_used, w.period_reserved FROM credits_billingperiod WHERE id = period;
    ELSE
        period := w.period_id;
    END IF;
    IF w.terms_version <> p_versions[1] OR w.catalogue_version <> p_versions[3] OR p_valid_until <= moment THEN
        outcome := 'stale';
        RETURN;
    END IF;
    IF p_versions[2] IS NOT NULL THEN
        PERFORM 1 FROM credits_wallet WHERE organization_id = p_parent AND terms_version = p_versions[2];
        IF NOT FOUND THEN
            outcome := 'stale';
            RETURN;
        END IF;
    END IF;
    IF w.open_ends_at <= moment OR w.lapse_at <= moment THEN
        outcome := 'due';
        RETURN;
    END IF;

    IF p_kind = 'grow' THEN
        IF r.status <> 'open' OR r.expires_at <= moment THEN
            outcome := 'closed';
            RETURN;
        END IF;
        v_month := date_trunc('month', r.created_at AT TIME ZONE 'UTC')::date;
        p_byok := r.byok;
        IF p_needs[1] <= r.credits + r.free_credits OR r.byok THEN
            outcome := 'enough';
            UPDATE credits_reservation SET estimate = p_estimate::jsonb WHERE id = p_reservation AND p_estimate IS NOT NULL;
            RETURN;
        ELSIF p_needs[1] > w.charge_limit THEN
            outcome := 'too_large';
            held := w.charge_limit;
            RETURN;
        END IF;
        w.charge_limit := NULL;
        p_needs := array_fill(p_needs[1] - r.credits - r.free_credits, ARRAY[2]);
    ELSE
        v_month := date_trunc('month', moment AT TIME ZONE 'UTC')::date;
        IF w.open_holds >= w.open_holds_limit THEN
            outcome := 'crowded';
            denied_by := 1;
            RETURN;
        END IF;
    END IF;
    FOR i IN 1 .. cardinality(p_scopes) LOOP
        v_actor := coalesce(v_actor, p_actors[i]);
        v_group := coalesce(v_group, p_groups[i]);
        IF p_resource_types[i] <> '' THEN
            v_resource_type := p_resource_types[i];
            v_resource_id := p_resource_ids[i];
        END IF;
    END LOOP;
    IF p_kind <> 'grow' AND v_actor IS NOT NULL AND w.open_holds >= w.actor_open_holds_limit THEN
        SELECT count(*) INTO v_count FROM (
            SELECT 1 FROM credits_reservation
            WHERE wallet_id = v_wallet AND actor_id = v_actor AND status = 'open' AND expires_at > moment
            LIMIT w.actor_open_holds_limit
        ) AS open;
        IF v_count >= w.actor_open_holds_limit THEN
            outcome := 'crowded';
            denied_by := 2;
            RETURN;
        END IF;
    END IF;

    IF p_byok THEN
        outcome := 'held';
        model := 1;
        held := 0;
        held_free := 0;
        is_charged := false;
        figures := '{}';
        counters := '{}';
    ELSE
        SELECT id, used, free_used, free_reserved INTO v_own, v_settled, v_free_used, v_free_reserved
            FROM credits_usagecounter
            WHERE wallet_id = v_wallet AND month = v_month AND actor_id IS NULL AND group_id IS NULL AND resource_type = ''
                AND resource_id = '';
        v_settled := coalesce(v_settled, 0);
        v_free_used := coalesce(v_free_used, 0);
        v_free_reserved := coalesce(v_free_reserved, 0);
        v_month_ends := extract(epoch FROM (v_month + interval '1 month') AT TIME ZONE 'UTC');
        IF p_shutoff IS NOT NULL THEN
            figures := ARRAY[0, p_shutoff, v_settled, 0, v_month_ends];
        ELSE
            figures := '{}';
        END IF;
        FOR i IN 1 .. cardinality(p_scopes) LOOP
            -- Each kind by what its index can look up: one statement for all kinds would read every actor's counter of the month.
            IF p_actors[i] IS NOT NULL THEN
                SELECT id, used, reserved INTO counted FROM credits_usagecounter
                    WHERE wallet_id = v_wallet AND month = v_month AND actor_id = p_actors[i] AND group_id IS NULL
                        AND resource_type = '' AND resource_id = '';
            ELSIF p_groups[i] IS NOT NULL THEN
                SELECT id, used, reserved INTO counted FROM credits_usagecounter
                    WHERE wallet_id = v_wallet AND month = v_month AND actor_id IS NULL AND group_id = p_groups[i]
                        AND resource_type = '' AND resource_id = '';
            ELSE
                SELECT id, used, reserved INTO counted FROM credits_usagecounter
                    WHERE wallet_id = v_wallet AND month = v_month AND actor_id IS NULL AND group_id IS NULL
                        AND resource_type = p_resource_types[i] AND resource_id = p_resource_ids[i];
            END IF;
            counters[i] := counted.id;
            v_taken[i] := coalesce(counted.used + counted.reserved, 0);
            figures := figures
                || ARRAY[p_scopes[i], p_caps[i], coalesce(counted.used, 0), coalesce(counted.reserved, 0), v_month_ends];
        END LOOP;
        v_caps := array_append(p_caps, w.monthly_cap);
        v_taken := array_append(v_taken, w.period_used + w.period_reserved);
        figures := figures
            || ARRAY[4, w.monthly_cap, w.period_used, w.period_reserved, extract(epoch FROM w.ends_at)]
            || ARRAY[5, w.balance + w.overdraft_limit, 0, w.reserved,
                CASE WHEN w.allowance + w.allowance_per_user > 0 AND NOT w.cancel_at_period_end
                    THEN extract(epoch FROM w.term_ends_at) END]
            || ARRAY[6, w.free_fallback_limit, v_free_used, v_free_reserved, v_month_ends];
        IF p_refills AND p_parent IS NOT NULL AND (w.refill_cooldown_ends_at IS NULL OR w.refill_cooldown_ends_at <= moment) THEN
            v_threshold := w.refill_threshold;
        END IF;
        IF v_threshold IS NOT NULL AND w.refill_retry_at > moment THEN
            -- The parent was short a moment ago, and that is noted: it is locked only if by now it is not.
            SELECT least(balance - allowance_remaining, balance - reserved + (
                    SELECT coalesce(sum(credits), 0) FROM credits_reservation
                    WHERE wallet_id = p.id AND status = 'open' AND expires_at <= moment
                )) INTO v_spare FROM credits_wallet p WHERE organization_id = p_parent;
            IF v_spare < w.refill_amount THEN
                v_threshold := NULL;
            END IF;
        END IF;

        d := credits_decide_1(p_needs, p_leasts, p_free, p_up_to, p_must_hold, v_settled, p_downgrade, p_shutoff, w.charge_limit,
            v_caps, v_taken, w.unreserved, w.overdraft_limit, v_threshold,
            CASE WHEN p_kind = 'grow' THEN NOT r.is_charged ELSE w.when_empty = 'fallback' END,
            w.free_fallback_limit, v_free_used + v_free_reserved);
        outcome := d.outcome;
        model := d.model;
        held := d.held;
        held_free := d.held_free;
        is_charged := d.is_charged;
        denied_by := d.denied_by;
        IF outcome <> 'held' THEN
            IF p_kind = 'grow' THEN
                held := p_needs[1];
            END IF;
            RETURN;
        END IF;
        IF is_charged THEN
            figures := trim_array(figures, 5);
        END IF;
        IF NOT p_takes_part AND held + held_free < p_needs[model] THEN
            outcome := 'part';
            RETURN;
        END IF;
    END IF;
    IF p_kind = 'check' THEN
        RETURN;
    END IF;

    FOR i IN 0 .. cardinality(figures) / 5 - 1 LOOP
        -- The shutoff looks at what is settled.
        IF figures[5 * i + 1] BETWEEN 1 AND 5 THEN
            figures[5 * i + 4] := figures[5 * i + 4] + held;
        ELSIF figures[5 * i + 1] = 6 THEN
            figures[5 * i + 4] := figures[5 * i + 4] + held_free;
        END IF;
    END LOOP;
    UPDATE credits_wallet SET reserved = reserved + held, open_holds = open_holds + (p_kind <> 'grow')::integer WHERE id = v_wallet;
    IF held > 0 THEN
        UPDATE credits_billingperiod SET reserved = reserved + held WHERE id = period;
    END IF;
    IF p_kind = 'grow' THEN
        UPDATE credits_usagecounter c SET reserved = c.reserved + held,
                free_reserved = c.free_reserved + CASE WHEN c.id = v_own THEN held_free ELSE 0 END
            WHERE c.id = ANY (r.counter_ids);
        UPDATE credits_reservation SET credits = credits + held, free_credits = free_credits + held_free, figures = credits_hold_2.figures,
                estimate = coalesce(p_estimate::jsonb, estimate)
            WHERE id = p_reservation;
        IF held > 0 THEN
            INSERT INTO credits_growth (reservation_id, credits, grown_at) VALUES (p_reservation, held, moment);
        END IF;
        RETURN;
    END IF;
    IF NOT p_byok THEN
        IF v_own IS NULL OR array_position(counters, NULL) IS NOT NULL THEN
            counters := array_append(counters, v_own);
            FOR i IN 1 .. cardinality(p_scopes) + 1 LOOP
                CONTINUE WHEN counters[i] IS NOT NULL;
                -- Two limits may count the same subject: then it is there by now.
                INSERT INTO credits_usagecounter AS c
                        (wallet_id, month, actor_id, group_id, resource_type, resource_id, used, reserved)
                    VALUES (v_wallet, v_month, p_actors[i], p_groups[i], coalesce(p_resource_types[i], ''),
                        coalesce(p_resource_ids[i], ''), 0, 0)
                    ON CONFLICT (wallet_id, month, actor_id, group_id, resource_type, resource_id) DO UPDATE SET used = c.used
                    RETURNING id INTO v_own;
                counters[i] := v_own;
            END LOOP;
            v_own := counters[cardinality(counters)];
            counters := trim_array(counters, 1);
        END IF;
        counters := array_prepend(v_own, counters);
        IF held > 0 OR held_free > 0 THEN
            UPDATE credits_usagecounter c SET reserved = c.reserved + held,
                    free_reserved = c.free_reserved + CASE WHEN c.id = v_own THEN held_free ELSE 0 END
                WHERE c.id = ANY (counters);
        END IF;
    END IF;
    INSERT INTO credits_reservation AS stored (
        id, wallet_id, period_id, status, mode, credits, free_credits, late, actor_id, group_id, counter_ids, work_type, resource_type,
        resource_id, requested_model, effective_model, decision, is_charged, byok, estimate, rate_card, figures, metadata, performed_by,
        expires_at, created_at
    ) VALUES (
        p_reservation, v_wallet, w.period_id, 'open', CASE WHEN p_up_to THEN 'up_to' ELSE 'exact' END, held, held_free, false, v_actor, v_group,
        counters, p_work_type, v_resource_type, v_resource_id, p_requested_model, coalesce(p_models[model], ''),
        CASE WHEN model = 2 THEN 'downgrade' ELSE 'allow' END, is_charged, p_byok, p_estimate::jsonb, p_cards[model]::jsonb,
        figures, p_metadata::jsonb, p_performed_by, moment + p_time_to_live, moment
    ) RETURNING CASE WHEN p_key IS NOT NULL THEN credits_answer_2(
        id, status, credits, settled_credits, late, actor_id, group_id, resource_type, resource_id, requested_model, effective_model,
        decision, byok, estimate, rate_card, stored.figures, expires_at
    ) END INTO v_answer;
    IF p_key IS NOT NULL THEN
        PERFORM organizations_remember_1(p_key_organization, p_key_owner, p_key, p_fingerprint, p_now, 201, 1, v_answer);
    END IF;
END
$$;
