CREATE FUNCTION organizations_bulkaction_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state IN ('draft', 'waiting') AND NOT (OLD.state = 'waiting' AND NEW.state = 'draft')
        AND NEW.needs_second_person >= OLD.needs_second_person AND
        (NEW.id, NEW.action, NEW.payload, NEW.selection, NEW.digest, NEW.total, NEW.reason, NEW.asked_by, NEW.asked_at, NEW.expires_at)
            IS NOT DISTINCT FROM
        (OLD.id, OLD.action, OLD.payload, OLD.selection, OLD.digest, OLD.total, OLD.reason, OLD.asked_by, OLD.asked_at, OLD.expires_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'bulk action % is fixed: % refused', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'bulkaction_is_fixed';
END $$;
