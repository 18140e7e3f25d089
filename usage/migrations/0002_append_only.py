"""What was used was used: events are never changed, deleted or truncated, whoever asks. Corrections are new events."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER usageevent_append_only BEFORE UPDATE OR DELETE ON usage_usageevent
    FOR EACH ROW EXECUTE FUNCTION credits_append_only();
CREATE TRIGGER usageevent_no_truncate BEFORE TRUNCATE ON usage_usageevent
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only();
"""
BACKWARD = """
DROP TRIGGER usageevent_no_truncate ON usage_usageevent;
DROP TRIGGER usageevent_append_only ON usage_usageevent;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial"), ("credits", "0002_guards")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
