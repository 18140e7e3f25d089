-- TRUNCATE tells no trigger which rows it took, so it could not raise a version.
CREATE FUNCTION credits_terms_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% holds terms: TRUNCATE refused, DELETE tells whose they were', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$
