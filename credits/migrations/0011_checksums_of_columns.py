"""Checksums of a fixed list of columns, with the number of their format: a column that is added rewrites no row.

Before, they were of whole rows, so each new column wrote a table anew, and a function was overloaded for the type of each table.
"""

from pathlib import Path

from django.db import migrations

TABLES = ["wallet", "billingperiod", "reservation", "grantdraw"]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    function("credits_checksum_1"),
    *[function(f"credits_check_{table}_1") for table in TABLES],
    *[f"DROP TRIGGER zz_{table}_checksum ON credits_{table}" for table in TABLES],
    # Of the triggers before a write it must be the last, and they fire in the order of their names.
    *[
        f"""CREATE TRIGGER zz_{table}_checksum BEFORE INSERT OR UPDATE ON credits_{table}
    FOR EACH ROW EXECUTE FUNCTION credits_check_{table}_1()"""
        for table in TABLES
    ],
    "SELECT credits_write_checksums()",
    "DROP FUNCTION credits_write_checksums",
    "DROP FUNCTION credits_write_checksum",
    *[f"DROP FUNCTION credits_checksum(credits_{table})" for table in TABLES],
]
BACKWARD = [
    *[function(f"credits_checksum_of_{table}") for table in TABLES],
    function("credits_write_checksum"),
    function("credits_write_checksums"),
    *[f"DROP TRIGGER zz_{table}_checksum ON credits_{table}" for table in TABLES],
    *[
        f"""CREATE TRIGGER zz_{table}_checksum BEFORE INSERT OR UPDATE ON credits_{table}
    FOR EACH ROW EXECUTE FUNCTION credits_write_checksum()"""
        for table in TABLES
    ],
    "SELECT credits_write_checksums()",
    *[f"DROP FUNCTION credits_check_{table}_1" for table in TABLES],
    "DROP FUNCTION credits_checksum_1",
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0010_post_in_sql")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
