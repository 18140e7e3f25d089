"""What staff did stays written. The log of the admin is append-only, like the ledger: no edit, no deletion, whoever asks.

So who left a line in it cannot be deleted either: the deletion of a person would take the lines along.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION organizations_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER logentry_append_only BEFORE UPDATE OR DELETE ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION organizations_append_only();
CREATE TRIGGER logentry_no_truncate BEFORE TRUNCATE ON django_admin_log
    FOR EACH STATEMENT EXECUTE FUNCTION organizations_append_only();
"""
BACKWARD = """
DROP TRIGGER logentry_no_truncate ON django_admin_log;
DROP TRIGGER logentry_append_only ON django_admin_log;
DROP FUNCTION organizations_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0003_seeds"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
