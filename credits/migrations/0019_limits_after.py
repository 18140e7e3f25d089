"""The admission tells its limits as they are once the hold is made; and a function tells them as they are by now. See `sql/`."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("credits", "0018_grants_that_end")]
    operations = [
        migrations.RunSQL(function("credits_figures_1"), "DROP FUNCTION credits_figures_1"),
        migrations.RunSQL(function("credits_hold_2"), "DROP FUNCTION credits_hold_2"),
        migrations.RunSQL("DROP FUNCTION credits_hold_1", function("credits_hold_1")),
    ]
