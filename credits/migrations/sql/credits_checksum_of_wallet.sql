-- What a row says, as text: the same in every session and from PostgreSQL 15 on, so the settings that change how values are written
-- are part of the functions. A column that is computed from others is left out: before a trigger it has no value yet.
CREATE FUNCTION credits_checksum(line credits_wallet) RETURNS bytea LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    line.checksum := NULL;
    RETURN sha256(convert_to(line::text, 'UTF8'));
END $$;
