-- Writes every checksum anew, whatever the rows say. A migration that adds, drops or changes a column of these tables ends with
-- `SELECT credits_write_checksums()`; nothing else may call it, for it also makes an edited row fit.
CREATE FUNCTION credits_write_checksums() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['wallet', 'billingperiod', 'reservation', 'grantdraw'] LOOP
        -- The others refuse to touch a closed reservation, or a draw at all.
        EXECUTE format('ALTER TABLE credits_%s DISABLE TRIGGER USER', name);
        EXECUTE format('ALTER TABLE credits_%1$s ENABLE TRIGGER zz_%1$s_checksum', name);
        EXECUTE format('UPDATE credits_%s SET checksum = NULL', name);
        EXECUTE format('ALTER TABLE credits_%s ENABLE TRIGGER USER', name);
    END LOOP;
END $$;
