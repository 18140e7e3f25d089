"""What settles a hold in one round trip: the charge of credits, and the event that tells of its work. See `sql/`."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_indexes_that_are_asked"), ("credits", "0014_one_admission")]
    operations = [
        migrations.RunSQL(function("usage_settle_1"), "DROP FUNCTION usage_settle_1"),
    ]
