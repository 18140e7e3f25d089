CREATE FUNCTION organizations_proposal_is_fixed_1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision CONSTANT text[] := ARRAY['state', 'decided_by', 'decided_at', 'outcome'];
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - decision = to_jsonb(OLD) - decision AND
        (OLD.state = 'draft' AND NEW.state IN ('waiting', 'confirmed', 'refused')
            OR OLD.state = 'waiting' AND NEW.state IN ('approved', 'refused'))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% % is fixed: % refused', TG_TABLE_NAME, OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
