CREATE FUNCTION usage_priceproposal_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'waiting' AND
        (NEW.id, NEW.action, NEW.payload, NEW.digest, NEW.subject, NEW.effect, NEW.reason,
            NEW.proposed_by, NEW.proposed_at, NEW.expires_at) IS NOT DISTINCT FROM
        (OLD.id, OLD.action, OLD.payload, OLD.digest, OLD.subject, OLD.effect, OLD.reason,
            OLD.proposed_by, OLD.proposed_at, OLD.expires_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'price proposal % is fixed: % refused', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'priceproposal_is_fixed';
END $$;
