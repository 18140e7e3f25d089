"""Rows that say whether they are as they were last written: `checksum` is made of a fixed list of columns, with the number of its format.

Only the triggers below write it, so whoever edits a row with triggers off leaves a checksum that no longer fits, and `manage.py reconcile`
names the row. It is no secret: who takes the trouble can write one that fits. Against that there are the hashes of the ledger, and the
seals, which are kept outside the database. A column that is added later rewrites no row.
"""

from pathlib import Path

from django.db import migrations

TABLES = ["wallet", "billingperiod", "reservation", "grantdraw"]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    function("credits_checksum_1"),
    *[function(f"credits_check_{table}_1") for table in TABLES],
    # Of the triggers before a write it must be the last, and they fire in the order of their names.
    *[
        f"""CREATE TRIGGER zz_{table}_checksum BEFORE INSERT OR UPDATE ON credits_{table}
    FOR EACH ROW EXECUTE FUNCTION credits_check_{table}_1()"""
        for table in TABLES
    ],
]
BACKWARD = [
    *[f"DROP TRIGGER zz_{table}_checksum ON credits_{table}" for table in TABLES],
    *[f"DROP FUNCTION credits_check_{table}_1" for table in TABLES],
    "DROP FUNCTION credits_checksum_1",
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_guards")]
    operations = [
        migrations.RunSQL(
            [f"ALTER TABLE credits_{table} ADD COLUMN checksum bytea NOT NULL" for table in TABLES],
            [f"ALTER TABLE credits_{table} DROP COLUMN checksum" for table in TABLES],
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
