"""The one admission and the one charge: what the path of a request does in one round trip each. See `sql/`.

A function's name ends in a number. A new signature is a new name, and the old one stays for a release: while a new version is rolled out
both are asked.
"""

from pathlib import Path

from django.db import migrations

FUNCTIONS = ["credits_decide_1", "credits_answer_1", "credits_hold_1", "credits_charge_1"]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0013_figures_of_limits"),
        ("organizations", "0006_format_of_an_answer"),
    ]
    operations = [
        migrations.RunSQL(
            [function(name) for name in FUNCTIONS],
            [f"DROP FUNCTION {name}" for name in reversed(FUNCTIONS)],
        )
    ]
