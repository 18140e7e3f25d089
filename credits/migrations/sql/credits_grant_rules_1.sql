-- What is true of every grant; see credits_wallet_rules_1.
CREATE FUNCTION credits_grant_rules_1(
    source text,
    amount numeric,
    remaining numeric,
    priority integer,
    expires_at timestamptz,
    term_starts_at timestamptz,
    seat integer,
    upgrade integer,
    category text
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN source NOT IN ('allowance', 'grant', 'purchase', 'allocation', 'adjustment') THEN 'grant_source_known'
        WHEN category NOT IN ('paid', 'promotional', 'goodwill', 'correction') THEN 'grant_category_known'
        WHEN amount <= 0 THEN 'grant_amount_positive'
        WHEN remaining < 0 OR remaining > amount THEN 'grant_remaining_within_amount'
        WHEN priority < 0 OR seat < 0 OR upgrade < 0 THEN 'grant_numbers_not_negative'
        WHEN (source = 'allowance') <> (term_starts_at IS NOT NULL) OR source = 'allowance' AND expires_at IS NULL
            THEN 'grant_allowance_has_a_term_and_an_end'
        WHEN source <> 'allowance' AND (seat <> 0 OR upgrade <> 0) OR seat <> 0 AND upgrade <> 0
            THEN 'grant_seat_or_upgrade_of_an_allowance'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "credits_grant" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'credits_grant', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
