CREATE FUNCTION organizations_one_level() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'the parent of an organization never changes'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'organization_parent_is_fixed';
    END IF;
    IF EXISTS (SELECT FROM organizations_organization WHERE id = NEW.parent_id AND parent_id IS NOT NULL) THEN
        RAISE EXCEPTION 'a child organization cannot have children'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'organization_one_level';
    END IF;
    RETURN NEW;
END $$;
