-- The rows of the order of checks that compare numbers, in their order: shutoff, downgrade, caps, pool, fallback. Nothing is read or written
-- here, so everybody can ask it: an admission under the wallet's lock, a check without.
--
-- Of two candidates, the model that was asked for (1) and its provider's fallback (2), `p_needs` are the prices, `p_leasts` the least credits
-- that are of use (the whole input and one output token) and `p_free` whether that price is 0 by its card; null where there is none.
--
-- outcome:
--   held       `held` credits, of candidate `model`; on a free fallback (not is_charged) its work may cost `held_free` besides
--   denied     by limit number `denied_by` of p_caps; 0 is the shutoff, after the last come the pool and the limit for free fallbacks
--   refill     rows 1 to 10 admit, and less than the refill threshold would be left
--   too_large  more than one piece of work may cost
--   nothing    0 credits, where something must be held
CREATE FUNCTION credits_decide_1(
    p_needs numeric[],
    p_leasts numeric[],
    p_free boolean[],
    p_up_to boolean,
    p_must_hold boolean,
    p_settled numeric,
    p_downgrade numeric,
    p_shutoff numeric,
    p_charge_limit numeric,
    p_caps numeric[],
    p_taken numeric[],
    p_unreserved numeric,
    p_overdraft numeric,
    p_refill_threshold numeric,
    p_falls_back boolean,
    p_free_limit numeric,
    p_free_taken numeric,
    OUT outcome text,
    OUT model integer,
    OUT held numeric,
    OUT held_free numeric,
    OUT is_charged boolean,
    OUT denied_by integer
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_caps CONSTANT integer := cardinality(p_caps);
    v_pool CONSTANT integer := cardinality(p_caps) + 1;
    v_room numeric;
    v_least numeric;
BEGIN
    model := 1;
    held_free := 0;
    is_charged := true;
    IF p_settled >= p_shutoff THEN
        outcome := 'denied';
        denied_by := 0;
        RETURN;
    END IF;
    IF p_settled >= p_downgrade AND p_needs[2] < p_needs[1] THEN
        model := 2;
    END IF;
    held := p_needs[model];
    IF p_must_hold AND held = 0 AND NOT p_free[model] THEN
        outcome := 'nothing';
        RETURN;
    END IF;
    IF held > p_charge_limit THEN
        IF NOT p_up_to THEN
            outcome := 'too_large';
            RETURN;
        END IF;
        held := p_charge_limit;
    END IF;

    FOR i IN 1 .. v_caps LOOP
        -- Landing on a cap is allowed, and 0 refuses even what is free.
        CONTINUE WHEN p_caps[i] IS NULL OR (held <= p_caps[i] - p_taken[i] AND p_caps[i] <> 0);
        v_room := p_caps[i] - p_taken[i];
        IF NOT p_up_to OR v_room <= 0 THEN
            outcome := 'denied';
            denied_by := i;
            RETURN;
        END IF;
        held := v_room;
    END LOOP;
    IF p_unreserved - held < p_refill_threshold THEN
        outcome := 'refill';
        RETURN;
    END IF;
    -- No pool is too empty for what is free.
    IF held > p_unreserved + p_overdraft AND NOT p_free[model] THEN
        v_room := p_unreserved + p_overdraft;
        IF NOT p_up_to OR v_room <= 0 THEN
            denied_by := v_pool;
        ELSE
            held := v_room;
        END IF;
    END IF;
    IF denied_by IS NULL AND held < p_needs[model] AND held < p_leasts[model] THEN
        v_least := p_leasts[model];
        FOR i IN 1 .. v_caps LOOP
            IF p_caps[i] - p_taken[i] < v_least THEN
                outcome := 'denied';
                denied_by := i;
                RETURN;
            END IF;
        END LOOP;
        IF p_unreserved + p_overdraft < v_least THEN
            denied_by := v_pool;
        ELSE
            outcome := 'too_large';
            RETURN;
        END IF;
    END IF;
    IF denied_by IS NULL THEN
        outcome := 'held';
        RETURN;
    END IF;

    IF NOT p_falls_back OR p_needs[2] IS NULL THEN
        outcome := 'denied';
        RETURN;
    END IF;
    -- The pool cannot pay the model that was asked for. Its provider's fallback is paid as far as there is something; no cap is spared.
    model := 2;
    denied_by := NULL;
    held := p_needs[2];
    IF p_up_to THEN
        FOR i IN 1 .. v_caps LOOP
            held := least(held, p_caps[i] - p_taken[i]);
        END LOOP;
        held := least(held, p_charge_limit);
        IF held < p_needs[2] AND held < p_leasts[2] THEN
            FOR i IN 1 .. v_caps LOOP
                IF p_caps[i] - p_taken[i] < p_leasts[2] THEN
                    outcome := 'denied';
                    denied_by := i;
                    RETURN;
                END IF;
            END LOOP;
            outcome := 'too_large';
            RETURN;
        END IF;
    ELSIF held > p_charge_limit THEN
        outcome := 'too_large';
        RETURN;
    END IF;
    FOR i IN 1 .. v_caps LOOP
        IF held > p_caps[i] - p_taken[i] OR p_caps[i] = 0 THEN
            outcome := 'denied';
            denied_by := i;
            RETURN;
        END IF;
    END LOOP;
    IF p_unreserved - held < p_refill_threshold THEN
        outcome := 'refill';
        RETURN;
    END IF;
    outcome := 'held';
    IF held <= p_unreserved + p_overdraft OR p_overdraft IS NULL OR p_free[2] THEN
        RETURN;
    END IF;
    is_charged := false;
    held_free := held - least(held, greatest(0, p_unreserved));
    held := held - held_free;
    IF held_free > p_free_limit - p_free_taken OR p_free_limit = 0 THEN
        v_room := p_free_limit - p_free_taken;
        IF NOT p_up_to OR v_room <= 0 OR held + v_room < p_leasts[2] THEN
            outcome := 'denied';
            denied_by := v_pool + 1;
            RETURN;
        END IF;
        held_free := v_room;
    END IF;
END
$$;
