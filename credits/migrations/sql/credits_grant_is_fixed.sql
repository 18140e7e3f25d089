-- Of a grant only what remains may change.
CREATE FUNCTION credits_grant_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'of a grant only what remains may change'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'grant_is_fixed';
END $$;
