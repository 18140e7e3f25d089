-- A row that says whether it is as it was last written: `checksum` is the sha256 of its other columns. Only the trigger below writes
-- it, so whoever edits a row with triggers off leaves a checksum that no longer fits, and `manage.py reconcile` names the row.
-- It is no secret: who takes the trouble can write one that fits. Against that there are the hashes of the ledger, and the seals, which
-- are kept outside the database.

-- What a row says, as text: the same in every session and from PostgreSQL 15 on, so the settings that change how values are written
-- are part of the functions. A column that is computed from others is left out: before a trigger it has no value yet.
CREATE FUNCTION credits_checksum(line credits_wallet) RETURNS bytea LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    line.checksum := NULL;
    RETURN sha256(convert_to(line::text, 'UTF8'));
END $$;

CREATE FUNCTION credits_checksum(line credits_billingperiod) RETURNS bytea LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    line.checksum := NULL;
    line.continues_at := NULL;
    RETURN sha256(convert_to(line::text, 'UTF8'));
END $$;

CREATE FUNCTION credits_checksum(line credits_reservation) RETURNS bytea LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    line.checksum := NULL;
    RETURN sha256(convert_to(line::text, 'UTF8'));
END $$;

CREATE FUNCTION credits_checksum(line credits_grantdraw) RETURNS bytea LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    line.checksum := NULL;
    RETURN sha256(convert_to(line::text, 'UTF8'));
END $$;

CREATE FUNCTION credits_write_checksum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := credits_checksum(NEW);
    RETURN NEW;
END $$;

-- Of the triggers before a write it must be the last, and they fire in the order of their names.
ALTER TABLE credits_wallet ADD COLUMN checksum bytea;
CREATE TRIGGER zz_wallet_checksum BEFORE INSERT OR UPDATE ON credits_wallet
    FOR EACH ROW EXECUTE FUNCTION credits_write_checksum();

ALTER TABLE credits_billingperiod ADD COLUMN checksum bytea;
CREATE TRIGGER zz_billingperiod_checksum BEFORE INSERT OR UPDATE ON credits_billingperiod
    FOR EACH ROW EXECUTE FUNCTION credits_write_checksum();

ALTER TABLE credits_reservation ADD COLUMN checksum bytea;
CREATE TRIGGER zz_reservation_checksum BEFORE INSERT OR UPDATE ON credits_reservation
    FOR EACH ROW EXECUTE FUNCTION credits_write_checksum();

ALTER TABLE credits_grantdraw ADD COLUMN checksum bytea;
CREATE TRIGGER zz_grantdraw_checksum BEFORE INSERT OR UPDATE ON credits_grantdraw
    FOR EACH ROW EXECUTE FUNCTION credits_write_checksum();

-- Writes every checksum anew, whatever the rows say. A migration that adds, drops or changes a column of these tables ends with
-- `SELECT credits_write_checksums()`; nothing else may call it, for it also makes an edited row fit.
CREATE FUNCTION credits_write_checksums() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['wallet', 'billingperiod', 'reservation', 'grantdraw'] LOOP
        -- The others refuse to touch a closed reservation, or a draw at all.
        EXECUTE format('ALTER TABLE credits_%1$s DISABLE TRIGGER USER, ENABLE TRIGGER zz_%1$s_checksum', name);
        EXECUTE format('UPDATE credits_%s SET checksum = NULL', name);
        EXECUTE format('ALTER TABLE credits_%s ENABLE TRIGGER USER', name);
    END LOOP;
END $$;

SELECT credits_write_checksums();

ALTER TABLE credits_wallet ALTER COLUMN checksum SET NOT NULL;
ALTER TABLE credits_billingperiod ALTER COLUMN checksum SET NOT NULL;
ALTER TABLE credits_reservation ALTER COLUMN checksum SET NOT NULL;
ALTER TABLE credits_grantdraw ALTER COLUMN checksum SET NOT NULL;
