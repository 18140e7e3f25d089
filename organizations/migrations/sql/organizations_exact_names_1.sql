CREATE FUNCTION organizations_exact_names_1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    name text;
    given text;
BEGIN
    FOREACH name IN ARRAY TG_ARGV LOOP
        given := to_jsonb(NEW) ->> name;
        IF NOT organizations_is_exact_1(given)
            AND (TG_OP = 'INSERT' OR given IS DISTINCT FROM to_jsonb(OLD) ->> name)
        THEN
            RAISE EXCEPTION '% of % may look like another: NFKC, without spaces around it and invisible characters', name, TG_TABLE_NAME
                USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
