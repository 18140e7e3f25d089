-- What is true of every event of usage; see credits_wallet_rules_1.
CREATE FUNCTION usage_usageevent_rules_1(
    source text,
    credits numeric,
    byok boolean,
    charged boolean,
    corrects_id uuid,
    entry_id uuid,
    reservation_id uuid,
    counter_ids bigint[]
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN credits < 0 AND source NOT IN ('forgiven', 'correction', 'refund') THEN 'usageevent_credits_not_negative'
        WHEN source IN ('correction', 'refund') AND (corrects_id IS NULL OR credits >= 0)
            OR (source IN ('correction', 'refund', 'rerated')) <> (corrects_id IS NOT NULL)
            THEN 'usageevent_corrects_by_source'
        WHEN byok AND credits <> 0 THEN 'usageevent_byok_is_free'
        WHEN NOT charged AND (byok OR num_nonnulls(corrects_id, entry_id, reservation_id) > 0 OR cardinality(counter_ids) > 0)
            THEN 'usageevent_history_counts_nowhere'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "usage_usageevent" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'usage_usageevent', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
