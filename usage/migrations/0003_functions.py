"""What settles a hold in one round trip: the charge of credits, and the event that tells of its work. See `sql/`."""

from pathlib import Path

from django.db import migrations

FUNCTIONS = ["usage_settled_answer_2", "usage_settle_3"]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0002_guards"), ("credits", "0004_functions")]
    operations = [
        migrations.RunSQL(
            [function(name) for name in FUNCTIONS],
            [f"DROP FUNCTION {name}" for name in reversed(FUNCTIONS)],
        )
    ]
