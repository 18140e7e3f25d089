"""What names a person who is erased leaves the histories too, by one function that may do no more."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    function("organizations_erase_1"),
    function("organizations_log_append_only"),
    "DROP TRIGGER logentry_append_only ON django_admin_log",
    """CREATE TRIGGER logentry_append_only BEFORE UPDATE OR DELETE ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION organizations_log_append_only()""",
]
BACKWARD = [
    "DROP TRIGGER logentry_append_only ON django_admin_log",
    """CREATE TRIGGER logentry_append_only BEFORE UPDATE OR DELETE ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION organizations_append_only()""",
    "DROP FUNCTION organizations_log_append_only",
    "DROP FUNCTION organizations_erase_1",
]


class Migration(migrations.Migration):
    dependencies = [("organizations", "0010_exact_names"), ("contenttypes", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
