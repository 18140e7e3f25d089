"""What a column constraint cannot say.

One level of parents, for ever, by triggers: a check constraint sees only its own row. A parent must itself have no parent, and the
parent of an organization never changes. Since no root can become a child later, reading the parent's row once, at insert, is enough.

A membership repeats its group's organization and kind; composite foreign keys keep them equal, so that nobody is a member across
organizations and the constraint of one entity group per actor sees the kind.

The counts of requests are unlogged: after a crash everybody begins a new minute.
"""

from django.db import migrations

FORWARD = """
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
CREATE TRIGGER organization_one_level BEFORE INSERT ON organizations_organization
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION organizations_one_level();
CREATE TRIGGER organization_parent_is_fixed BEFORE UPDATE OF parent_id ON organizations_organization
    FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id) EXECUTE FUNCTION organizations_one_level();

ALTER TABLE organizations_membership
    ADD CONSTRAINT membership_group_fits FOREIGN KEY (group_id, organization_id, kind)
        REFERENCES organizations_group (id, organization_id, kind),
    ADD CONSTRAINT membership_actor_fits FOREIGN KEY (actor_id, organization_id)
        REFERENCES organizations_actor (id, organization_id);

ALTER TABLE organizations_ratecount SET UNLOGGED;
"""
BACKWARD = """
ALTER TABLE organizations_ratecount SET LOGGED;

ALTER TABLE organizations_membership
    DROP CONSTRAINT membership_group_fits, DROP CONSTRAINT membership_actor_fits;

DROP TRIGGER organization_one_level ON organizations_organization;
DROP TRIGGER organization_parent_is_fixed ON organizations_organization;
DROP FUNCTION organizations_one_level;
"""


class Migration(migrations.Migration):
    dependencies = [("organizations", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
