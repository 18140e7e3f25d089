-- What is true of every hold; see credits_wallet_rules_1.
CREATE FUNCTION credits_reservation_rules_1(
    status text,
    mode text,
    credits numeric,
    free_credits numeric,
    settled_credits numeric,
    late boolean,
    decision text,
    is_charged boolean,
    closed_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN status NOT IN ('open', 'settled', 'released', 'expired') THEN 'reservation_status_known'
        WHEN mode NOT IN ('exact', 'up_to') THEN 'reservation_mode_known'
        WHEN decision NOT IN ('allow', 'downgrade') THEN 'reservation_decision_known'
        WHEN credits < 0 THEN 'reservation_credits_not_negative'
        WHEN free_credits < 0 THEN 'reservation_free_credits_not_negative'
        WHEN NOT is_charged AND credits <> 0 AND free_credits = 0 THEN 'reservation_holds_only_what_it_charges'
        WHEN (status = 'settled') <> (settled_credits IS NOT NULL) OR settled_credits < 0 THEN 'reservation_settled_with_credits'
        WHEN (status = 'open') <> (closed_at IS NULL) THEN 'reservation_closed_at_with_status'
        WHEN late AND status <> 'settled' THEN 'reservation_late_only_when_settled'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "credits_reservation" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'credits_reservation', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
