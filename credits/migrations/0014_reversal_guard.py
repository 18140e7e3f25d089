"""What a column constraint cannot say of reversals: together never more than their entry. See credits/sql/reversals.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "sql" / "reversals.sql").read_text()
BACKWARD = """
DROP TRIGGER ledgerentry_reversed_within_itself ON credits_ledgerentry;
DROP FUNCTION credits_reversals_within_their_entry;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0013_reverse_in_part")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
