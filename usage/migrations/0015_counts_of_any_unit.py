"""Events tell counts of any unit, and what settles a hold writes them. See `sql/`."""

from pathlib import Path

from django.db import migrations, models


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0014_history")]

    operations = [
        migrations.AddField(
            model_name="usageevent", name="usage", field=models.JSONField(null=True)
        ),
        migrations.RunSQL("DROP FUNCTION usage_settle_2", function("usage_settle_2")),
        migrations.RunSQL(function("usage_settle_3"), "DROP FUNCTION usage_settle_3"),
    ]
