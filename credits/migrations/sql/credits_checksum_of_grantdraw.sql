CREATE FUNCTION credits_checksum(line credits_grantdraw) RETURNS bytea LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    line.checksum := NULL;
    RETURN sha256(convert_to(line::text, 'UTF8'));
END $$;
