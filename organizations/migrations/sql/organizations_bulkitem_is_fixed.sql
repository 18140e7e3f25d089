CREATE FUNCTION organizations_bulkitem_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.finished_at IS NULL AND NEW.is_to_do >= OLD.is_to_do AND
        (NEW.id, NEW.bulk_id, NEW.organization_id, NEW.actor_id) IS NOT DISTINCT FROM
        (OLD.id, OLD.bulk_id, OLD.organization_id, OLD.actor_id)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'bulk item % is fixed: % refused', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'bulkitem_is_fixed';
END $$;
