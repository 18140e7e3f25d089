-- What is true of every idempotency key; see credits_wallet_rules_1.
CREATE FUNCTION organizations_idempotencykey_rules_1(
    owner text,
    status_code smallint,
    format smallint,
    body text
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN owner NOT IN ('organization', 'staff') AND owner NOT LIKE 'key\_%' THEN 'idempotency_owner_known'
        WHEN status_code < 0 OR format < 0 THEN 'idempotency_numbers_not_negative'
        WHEN (status_code IS NULL) <> (body IS NULL) THEN 'idempotency_answer_is_whole'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "organizations_idempotencykey" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'organizations_idempotencykey', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
