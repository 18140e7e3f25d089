-- What is true of every counter; see credits_wallet_rules_1.
CREATE FUNCTION credits_usagecounter_rules_1(
    month date,
    actor_id uuid,
    group_id uuid,
    resource_type text,
    resource_id text,
    used numeric,
    reserved numeric,
    free_used numeric,
    free_reserved numeric
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN used < 0 OR reserved < 0 THEN 'usagecounter_amounts_not_negative'
        WHEN free_used < 0 OR free_reserved < 0
            OR (free_used <> 0 OR free_reserved <> 0) AND (actor_id IS NOT NULL OR group_id IS NOT NULL OR resource_type <> '')
            THEN 'usagecounter_free_is_the_organizations'
        WHEN extract(day FROM month) <> 1 THEN 'usagecounter_from_the_first'
        WHEN actor_id IS NOT NULL AND (group_id IS NOT NULL OR resource_type <> '') OR group_id IS NOT NULL AND resource_type <> ''
            THEN 'usagecounter_has_one_subject'
        WHEN (resource_type = '') <> (resource_id = '') THEN 'usagecounter_resource_as_a_whole'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "credits_usagecounter" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'credits_usagecounter', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
