CREATE FUNCTION organizations_proposal_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'waiting' AND
        (NEW.id, NEW.organization_id, NEW.action, NEW.payload, NEW.digest, NEW.amount, NEW.reason,
            NEW.proposed_by, NEW.proposed_at, NEW.expires_at) IS NOT DISTINCT FROM
        (OLD.id, OLD.organization_id, OLD.action, OLD.payload, OLD.digest, OLD.amount, OLD.reason,
            OLD.proposed_by, OLD.proposed_at, OLD.expires_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'proposal % is fixed: % refused', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'proposal_is_fixed';
END $$;
