"""Checksums of reservations with the column that they have by now. See credits/sql/checksums.sql."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("credits", "0006_free_fallback_limit")]
    operations = [
        migrations.RunSQL("SELECT credits_write_checksums()", "SELECT credits_write_checksums()")
    ]
