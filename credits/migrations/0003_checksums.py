"""Rows that say whether they are as they were last written: a column for it. What fills it comes once all the columns are there that it covers."""

from django.db import migrations

TABLES = ["wallet", "billingperiod", "reservation", "grantdraw"]


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_guards")]
    operations = [
        migrations.RunSQL(
            [f"ALTER TABLE credits_{table} ADD COLUMN checksum bytea NOT NULL" for table in TABLES],
            [f"ALTER TABLE credits_{table} DROP COLUMN checksum" for table in TABLES],
        )
    ]
