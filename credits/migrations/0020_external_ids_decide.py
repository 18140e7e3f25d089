"""Whose an external id is decides, since a request may name an actor by it: an update of one raises the organization's terms version."""

from django.db import migrations


def trigger(idle):
    return f"""CREATE TRIGGER actor_terms_update AFTER UPDATE ON organizations_actor
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION credits_terms_edited('{{{','.join(idle)}}}')"""


IDLE = ["kind", "name", "email", "created_at", "updated_at"]
DROP = "DROP TRIGGER actor_terms_update ON organizations_actor"
FORWARD = [DROP, trigger(IDLE)]
BACKWARD = [DROP, trigger([*IDLE, "external_id"])]


class Migration(migrations.Migration):
    dependencies = [("credits", "0019_limits_after")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
