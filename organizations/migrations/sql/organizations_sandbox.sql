CREATE FUNCTION organizations_sandbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    live organizations_organization;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'whether and of what an organization is a sandbox never changes'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'organization_sandbox_is_fixed';
    END IF;
    SELECT * INTO live FROM organizations_organization WHERE id = NEW.sandbox_of_id;
    IF live.env <> 'live' THEN
        RAISE EXCEPTION 'a sandbox has no sandbox'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'organization_sandbox_in_its_place';
    END IF;
    IF live.parent_id IS DISTINCT FROM
        (SELECT sandbox_of_id FROM organizations_organization WHERE id = NEW.parent_id) THEN
        RAISE EXCEPTION 'the sandbox of a child is a child of the sandbox of its parent'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'organization_sandbox_in_its_place';
    END IF;
    RETURN NEW;
END $$;
