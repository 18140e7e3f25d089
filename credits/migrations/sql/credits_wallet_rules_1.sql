-- What is true of every wallet. The rules of a table that the path of a request writes stand in one function: PostgreSQL reads the expression
-- of each CHECK anew for each statement, and keeps what a function compiled to. Each rule refuses by its own name; what is NULL breaks none.
CREATE FUNCTION credits_wallet_rules_1(
    balance numeric,
    reserved numeric,
    open_holds integer,
    allowance_remaining numeric,
    head_number bigint,
    event_position bigint
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN reserved < 0 THEN 'wallet_reserved_not_negative'
        WHEN open_holds < 0 THEN 'wallet_open_holds_not_negative'
        WHEN head_number < 0 OR event_position < 0 THEN 'wallet_head_not_negative'
        WHEN allowance_remaining < 0 OR allowance_remaining <> 0 AND allowance_remaining > balance THEN 'wallet_allowance_within_balance'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "credits_wallet" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'credits_wallet', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
