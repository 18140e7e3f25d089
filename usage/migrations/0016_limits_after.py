"""The charge tells the limits of its hold as they are after it. See `sql/`."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0015_counts_of_any_unit"), ("credits", "0019_limits_after")]
    operations = [
        migrations.RunSQL(function("usage_settle_4"), "DROP FUNCTION usage_settle_4"),
        migrations.RunSQL("DROP FUNCTION usage_settle_3", function("usage_settle_3")),
    ]
