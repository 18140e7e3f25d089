"""Whoever deletes rollups takes the mark of their organization along: then its reports read the events, until the rollups are made anew."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION usage_forget_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM usage_rollupmark WHERE organization_id IN (SELECT organization_id FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER usagerollup_takes_its_mark AFTER DELETE ON usage_usagerollup
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION usage_forget_mark();
"""
BACKWARD = """
DROP TRIGGER usagerollup_takes_its_mark ON usage_usagerollup;
DROP FUNCTION usage_forget_mark;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_note_and_whole_prices")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
