"""What a column constraint cannot say of sandboxes.

Env is a matter of place: a child has its parent's, a key its organization's. Composite foreign keys say so; hence no credits can
move between a live wallet and one of a sandbox, since they only move between a parent and its child.

A sandbox is one of a live organization, and a child's is a child of its parent's sandbox: a trigger, at insert. Neither side of that
ever changes (a second trigger), so looking once is enough.
"""

from django.db import migrations

FORWARD = """
ALTER TABLE organizations_organization
    ADD CONSTRAINT organization_env_of_its_parent FOREIGN KEY (parent_id, env)
        REFERENCES organizations_organization (id, env);
ALTER TABLE organizations_apikey
    ADD CONSTRAINT apikey_env_of_its_organization FOREIGN KEY (organization_id, env)
        REFERENCES organizations_organization (id, env);

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
CREATE TRIGGER organization_sandbox_in_its_place BEFORE INSERT ON organizations_organization
    FOR EACH ROW WHEN (NEW.sandbox_of_id IS NOT NULL) EXECUTE FUNCTION organizations_sandbox();
CREATE TRIGGER organization_sandbox_is_fixed BEFORE UPDATE OF env, sandbox_of_id ON organizations_organization
    FOR EACH ROW WHEN ((OLD.env, OLD.sandbox_of_id) IS DISTINCT FROM (NEW.env, NEW.sandbox_of_id))
    EXECUTE FUNCTION organizations_sandbox();
"""
BACKWARD = """
DROP TRIGGER organization_sandbox_in_its_place ON organizations_organization;
DROP TRIGGER organization_sandbox_is_fixed ON organizations_organization;
DROP FUNCTION organizations_sandbox;
ALTER TABLE organizations_apikey DROP CONSTRAINT apikey_env_of_its_organization;
ALTER TABLE organizations_organization DROP CONSTRAINT organization_env_of_its_parent;
"""


class Migration(migrations.Migration):
    dependencies = [("organizations", "0011_sandbox")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
