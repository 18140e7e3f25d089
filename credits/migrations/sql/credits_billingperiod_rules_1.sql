-- What is true of every billing period; see credits_wallet_rules_1.
CREATE FUNCTION credits_billingperiod_rules_1(
    index integer,
    starts_at timestamptz,
    ends_at timestamptz,
    term_starts_at timestamptz,
    term_ends_at timestamptz,
    term_days integer,
    whole_days integer,
    allowance numeric,
    allowance_per_user numeric,
    seats integer,
    share numeric,
    used numeric,
    reserved numeric,
    recharged numeric,
    closing_balance numeric,
    closed_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN used < 0 OR reserved < 0 OR recharged < 0 OR allowance < 0 OR share < 0 OR seats < 0 OR index < 0
            THEN 'billingperiod_counters_not_negative'
        WHEN ends_at <= starts_at THEN 'billingperiod_ends_after_it_starts'
        WHEN starts_at < term_starts_at OR ends_at > term_ends_at THEN 'billingperiod_within_its_term'
        WHEN term_days < 1 OR term_days > whole_days OR share > allowance_per_user THEN 'billingperiod_part_of_a_whole_term'
        WHEN (closed_at IS NULL) <> (closing_balance IS NULL) THEN 'billingperiod_closed_as_a_whole'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "credits_billingperiod" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'credits_billingperiod', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
