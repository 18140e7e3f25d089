"""Rows that say whether they are as they were last written: `checksum` is the sha256 of the other columns.

Only the trigger below writes it, so whoever edits a row with triggers off leaves a checksum that no longer fits, and `manage.py reconcile`
names the row. It is no secret: who takes the trouble can write one that fits. Against that there are the hashes of the ledger, and the
seals, which are kept outside the database.
"""

from pathlib import Path

from django.db import migrations

TABLES = ["wallet", "billingperiod", "reservation", "grantdraw"]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    *[function(f"credits_checksum_of_{table}") for table in TABLES],
    function("credits_write_checksum"),
    *[f"ALTER TABLE credits_{table} ADD COLUMN checksum bytea" for table in TABLES],
    # Of the triggers before a write it must be the last, and they fire in the order of their names.
    *[
        f"""CREATE TRIGGER zz_{table}_checksum BEFORE INSERT OR UPDATE ON credits_{table}
    FOR EACH ROW EXECUTE FUNCTION credits_write_checksum()"""
        for table in TABLES
    ],
    function("credits_write_checksums"),
    "SELECT credits_write_checksums()",
    *[f"ALTER TABLE credits_{table} ALTER COLUMN checksum SET NOT NULL" for table in TABLES],
]
BACKWARD = [
    "DROP FUNCTION credits_write_checksums",
    *[f"DROP TRIGGER zz_{table}_checksum ON credits_{table}" for table in TABLES],
    "DROP FUNCTION credits_write_checksum",
    *[f"DROP FUNCTION credits_checksum(credits_{table})" for table in TABLES],
    *[f"ALTER TABLE credits_{table} DROP COLUMN checksum" for table in TABLES],
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_guards")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
