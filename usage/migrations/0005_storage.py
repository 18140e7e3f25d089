"""How rows are kept: those that are written again and again find room for it on their page, and no index is there that nobody asks.

Django makes an index for `LIKE` of every name that is a primary key. Nobody looks for the beginning of a model's.
"""

from django.db import migrations

FILLFACTORS = {"usage_usagerollup": 80, "usage_usagetotal": 80}


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_raise_terms_version")]
    operations = [
        migrations.RunSQL(
            "DROP INDEX usage_aimodel_slug_ea5ac18d_like",
            "CREATE INDEX usage_aimodel_slug_ea5ac18d_like ON usage_aimodel (slug varchar_pattern_ops)",
        ),
        *[
            migrations.RunSQL(
                f"ALTER TABLE {table} SET (fillfactor = {percent})",
                f"ALTER TABLE {table} RESET (fillfactor)",
            )
            for table, percent in FILLFACTORS.items()
        ],
    ]
