-- What the database refuses whoever asks: the application, a shell, an admin with psql.
-- Each guard in prose first, then its SQL.

-- The ledger is append-only. Entries and draws are never changed, deleted or truncated; corrections are new entries.
CREATE FUNCTION credits_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;

CREATE TRIGGER ledgerentry_append_only BEFORE UPDATE OR DELETE ON credits_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION credits_append_only();
CREATE TRIGGER ledgerentry_no_truncate BEFORE TRUNCATE ON credits_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only();
CREATE TRIGGER grantdraw_append_only BEFORE UPDATE OR DELETE ON credits_grantdraw
    FOR EACH ROW EXECUTE FUNCTION credits_append_only();
CREATE TRIGGER grantdraw_no_truncate BEFORE TRUNCATE ON credits_grantdraw
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only();

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

CREATE CONSTRAINT TRIGGER ledgerentry_transfer_sums_to_zero AFTER INSERT ON credits_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.transfer_id IS NOT NULL)
    EXECUTE FUNCTION credits_transfer_sums_to_zero();

-- The numbers of a wallet's ledger have no gap: every entry but the first refers to the one before it.
ALTER TABLE credits_ledgerentry
    ADD COLUMN previous_number bigint GENERATED ALWAYS AS (NULLIF(number - 1, 0)) STORED,
    ADD CONSTRAINT ledgerentry_no_gap FOREIGN KEY (wallet_id, previous_number)
        REFERENCES credits_ledgerentry (wallet_id, number);

-- Periods have no gap and no overlap: every period but the first begins where another of its wallet ends.
ALTER TABLE credits_billingperiod
    ADD COLUMN continues_at timestamptz GENERATED ALWAYS AS (CASE WHEN index > 0 THEN starts_at END) STORED,
    ADD CONSTRAINT billingperiod_contiguous FOREIGN KEY (wallet_id, continues_at)
        REFERENCES credits_billingperiod (wallet_id, ends_at);

-- A reservation leaves 'open' once. Settled and released are final; an expired one may still be settled, late.
CREATE FUNCTION credits_reservation_resolves_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'expired' AND NEW.status = 'settled' AND NEW.late THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'reservation % is %', OLD.id, OLD.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'reservation_resolves_once';
END $$;

CREATE TRIGGER reservation_resolves_once BEFORE UPDATE ON credits_reservation
    FOR EACH ROW WHEN (OLD.status <> 'open') EXECUTE FUNCTION credits_reservation_resolves_once();

-- Of a grant only what remains may change.
CREATE FUNCTION credits_grant_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'of a grant only what remains may change'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'grant_is_fixed';
END $$;

CREATE TRIGGER grant_is_fixed
    BEFORE UPDATE OF id, wallet_id, entry_id, source, amount, priority, expires_at, term_starts_at, seat, upgrade, created_at
    ON credits_grant FOR EACH ROW EXECUTE FUNCTION credits_grant_is_fixed();
