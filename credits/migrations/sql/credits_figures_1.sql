-- The figures of the limits of a hold, as credits_hold_2 returns them, as they are by now: the limits, their caps and when they reset are those
-- of its admission; what is used and reserved of them is read again, and so is what is in the pool.
CREATE FUNCTION credits_figures_1(
    p_figures numeric[],
    p_wallet uuid,
    p_period bigint,
    p_counters bigint[]
) RETURNS numeric[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_figures numeric[] := p_figures;
    v_at integer;
    w record;
BEGIN
    IF cardinality(p_figures) = 0 THEN
        RETURN p_figures;
    END IF;
    -- A row for each counter; what is the wallet's and the period's is the same in all of them.
    FOR w IN
        SELECT wallet.balance + config.overdraft_limit AS pool, wallet.reserved AS pool_reserved, period.used AS period_used,
                period.reserved AS period_reserved, c.used, c.reserved, c.free_used, c.free_reserved,
                CASE WHEN c.actor_id IS NOT NULL THEN 1 WHEN c.group_id IS NOT NULL THEN 2 WHEN c.resource_type <> '' THEN 3
                    WHEN c.resource_type = '' THEN 0 END AS scope
            FROM credits_wallet wallet
                JOIN credits_creditconfig config ON config.wallet_id = wallet.id
                JOIN credits_billingperiod period ON period.id = p_period
                LEFT JOIN credits_usagecounter c ON c.id = ANY (p_counters)
            WHERE wallet.id = p_wallet
    LOOP
        FOR i IN 0 .. cardinality(p_figures) / 5 - 1 LOOP
            v_at := 5 * i;
            IF p_figures[v_at + 1] = 4 THEN
                v_figures[v_at + 3] := w.period_used;
                v_figures[v_at + 4] := w.period_reserved;
            ELSIF p_figures[v_at + 1] = 5 THEN
                v_figures[v_at + 2] := w.pool;
                v_figures[v_at + 4] := w.pool_reserved;
            ELSIF p_figures[v_at + 1] = w.scope THEN
                v_figures[v_at + 3] := w.used;
                v_figures[v_at + 4] := CASE w.scope WHEN 0 THEN 0 ELSE w.reserved END;
            ELSIF p_figures[v_at + 1] = 6 AND w.scope = 0 THEN
                v_figures[v_at + 3] := w.free_used;
                v_figures[v_at + 4] := w.free_reserved;
            END IF;
        END LOOP;
    END LOOP;
    RETURN v_figures;
END
$$;
