"""How an idempotency key's stored answer is rendered: its very bytes, or what the door that gave it makes of them.

The statements that hold and settle mind the key themselves, by two functions: looking for an answer, and storing one.
"""

from pathlib import Path

from django.db import migrations, models

FUNCTIONS = ["organizations_answer_1", "organizations_remember_1"]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_counting")]
    operations = [
        migrations.AddField(
            model_name="idempotencykey",
            name="format",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.RunSQL(
            [function(name) for name in FUNCTIONS],
            [f"DROP FUNCTION {name}" for name in FUNCTIONS],
        ),
    ]
