CREATE FUNCTION usage_forget_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM usage_rollupmark WHERE organization_id IN (SELECT organization_id FROM gone);
    RETURN NULL;
END $$;
