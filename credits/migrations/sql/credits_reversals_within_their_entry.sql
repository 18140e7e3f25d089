-- What reversals take back of an entry is together never more than it moved, and each goes against its sign. The wallet is locked, as every
-- command has it locked already: two who add at once would otherwise not see each other.
CREATE FUNCTION credits_reversals_within_their_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved numeric;
    taken_back numeric;
BEGIN
    PERFORM FROM credits_wallet WHERE id = NEW.wallet_id FOR NO KEY UPDATE;
    SELECT amount INTO moved FROM credits_ledgerentry WHERE id = NEW.reverses_id;
    SELECT sum(amount) INTO taken_back FROM credits_ledgerentry WHERE reverses_id = NEW.reverses_id AND kind = 'reversal';
    IF sign(NEW.amount) <> -sign(moved) OR abs(taken_back) > abs(moved) THEN
        RAISE EXCEPTION 'entry % moved %, reversals take back %', NEW.reverses_id, moved, taken_back
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledgerentry_reversed_within_itself';
    END IF;
    RETURN NULL;
END $$;
