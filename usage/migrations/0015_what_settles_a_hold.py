"""What settles a hold takes metadata and counts of any unit, and tells the limits as they are after it. See `sql/`."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0014_counts_of_any_unit"), ("credits", "0019_limits_after")]
    operations = [
        migrations.RunSQL(function("usage_settle_2"), "DROP FUNCTION usage_settle_2"),
        migrations.RunSQL("DROP FUNCTION usage_settle_1", function("usage_settle_1")),
    ]
