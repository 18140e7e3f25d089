"""What a column constraint cannot say of references: they are for ever, and moves are append-only. See credits/sql/references.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "sql" / "references.sql").read_text()
BACKWARD = """
DROP TRIGGER referencemove_no_truncate ON credits_referencemove;
DROP TRIGGER referencemove_append_only ON credits_referencemove;
DROP TRIGGER reference_no_truncate ON credits_reference;
DROP TRIGGER reference_is_fixed ON credits_reference;
DROP FUNCTION credits_reference_is_fixed;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0008_references")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
