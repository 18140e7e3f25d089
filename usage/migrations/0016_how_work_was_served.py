"""Events tell how work was served; what settles a hold takes which model served it, how, and by which prices. See `sql/`."""

from pathlib import Path

from django.db import migrations, models


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0015_what_settles_a_hold")]
    operations = [
        migrations.AddField(
            model_name="usageevent",
            name="variant",
            field=models.CharField(max_length=40, default="", db_default=""),
        ),
        migrations.RunSQL(
            function("usage_settled_answer_1"), "DROP FUNCTION usage_settled_answer_1"
        ),
        migrations.RunSQL(function("usage_settle_3"), "DROP FUNCTION usage_settle_3"),
        migrations.RunSQL("DROP FUNCTION usage_settle_2", function("usage_settle_2")),
    ]
