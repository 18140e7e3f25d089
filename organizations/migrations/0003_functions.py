"""What the database does for doors and jobs in one statement each. See `sql/`.

A function's name ends in a number. A new signature is a new name, and the old one stays for a release: while a new version is rolled out
both are asked.
"""

from pathlib import Path

from django.db import migrations

FUNCTIONS = [
    # How requests are counted, in the statement that looks up their key. Each bucket is a line of `organizations_ratecount`: the first
    # request after its end begins it anew. They are counted in their order up to the one that is full, so that who is refused uses up
    # nothing behind it. Told is the full one, or else the first.
    "organizations_count_1",
    # The statements that hold and settle mind the idempotency key themselves: looking for an answer, and storing one.
    "organizations_answer_2",
    "organizations_remember_1",
    # What names a person who is erased leaves the histories too, by one function that may do no more.
    "organizations_erase_1",
]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("organizations", "0002_guards"), ("contenttypes", "0001_initial")]
    operations = [
        migrations.RunSQL(
            [function(name) for name in FUNCTIONS],
            [f"DROP FUNCTION {name}" for name in reversed(FUNCTIONS)],
        )
    ]
