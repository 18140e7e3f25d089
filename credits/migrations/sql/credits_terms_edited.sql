-- What a statement changed of terms raises a version, once: of the organizations whose the rows are, and of the catalogue where rows are
-- nobody's. A row changed if it is not the same before and after, but for the columns that decide nothing: the trigger names those, so a
-- column that is new decides. Its second argument says, as JSON, which rows decide nothing at all.
CREATE FUNCTION credits_terms_edited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    idle CONSTANT text[] := COALESCE(TG_ARGV[0], '{}');
    nothing CONSTANT jsonb := TG_ARGV[1];
    before jsonb[] := '{}';
    after jsonb[] := '{}';
    concerned uuid[];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := ARRAY(SELECT to_jsonb(line) - idle FROM old_rows line);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := ARRAY(SELECT to_jsonb(line) - idle FROM new_rows line);
    END IF;
    concerned := ARRAY(
        SELECT DISTINCT (line ->> 'organization_id')::uuid
        FROM (
            (SELECT unnest(before) EXCEPT SELECT unnest(after)) UNION ALL (SELECT unnest(after) EXCEPT SELECT unnest(before))
        ) AS differing (line)
        WHERE nothing IS NULL OR NOT line @> nothing
    );
    PERFORM credits_raise_terms(array_remove(concerned, NULL));
    IF array_position(concerned, NULL) IS NOT NULL THEN
        UPDATE credits_catalogue SET version = gen_random_uuid();
    END IF;
    RETURN NULL;
END $$
