-- A transfer is exactly two entries, on two wallets, that sum to zero. Checked when the transaction commits, because between the
-- first entry and the second it cannot be true yet.
CREATE FUNCTION credits_transfer_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sides integer;
    total numeric;
BEGIN
    SELECT count(*), sum(amount) INTO sides, total FROM credits_ledgerentry WHERE transfer_id = NEW.transfer_id;
    IF sides <> 2 OR total <> 0 THEN
        RAISE EXCEPTION 'transfer % has % entries that sum to %', NEW.transfer_id, sides, total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledgerentry_transfer_sums_to_zero';
    END IF;
    RETURN NULL;
END $$;
