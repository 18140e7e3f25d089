-- Of a pending grant only that it began or was cancelled is ever written, once; and none is deleted.
CREATE FUNCTION credits_pendinggrant_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'of a pending grant only that it began, or was cancelled, is written'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'pendinggrant_is_fixed';
END $$;
