"""How requests are counted, in the statement that looks up their key.

Each bucket is a line of `organizations_ratecount`: the first request after its end begins it anew. They are counted in their order up to
the one that is full, so that who is refused uses up nothing behind it. Told is the full one, or else the first.
"""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("organizations", "0004_indexes_that_are_asked")]
    operations = [
        migrations.RunSQL(
            [(Path(__file__).parent / "sql" / "organizations_count_1.sql").read_text()],
            ["DROP FUNCTION organizations_count_1"],
        )
    ]
