"""What was proposed stays what it was, and so does what was decided: only a waiting proposal is changed, and only its decision."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION organizations_proposal_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'waiting' AND
        (NEW.id, NEW.organization_id, NEW.operation, NEW.payload, NEW.digest, NEW.amount, NEW.reason,
            NEW.proposed_by_id, NEW.proposed_at, NEW.expires_at) IS NOT DISTINCT FROM
        (OLD.id, OLD.organization_id, OLD.operation, OLD.payload, OLD.digest, OLD.amount, OLD.reason,
            OLD.proposed_by_id, OLD.proposed_at, OLD.expires_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'proposal % is fixed: % refused', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'proposal_is_fixed';
END $$;
CREATE TRIGGER proposal_is_fixed BEFORE UPDATE OR DELETE ON organizations_proposal
    FOR EACH ROW EXECUTE FUNCTION organizations_proposal_is_fixed();
"""
BACKWARD = """
DROP TRIGGER proposal_is_fixed ON organizations_proposal;
DROP FUNCTION organizations_proposal_is_fixed;
"""


class Migration(migrations.Migration):
    dependencies = [("organizations", "0009_proposals")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
