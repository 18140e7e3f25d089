"""What settles a hold takes metadata too: see `sql/usage_settle_2.sql`."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0012_refunds")]
    operations = [
        migrations.RunSQL([function("usage_settle_2")], ["DROP FUNCTION usage_settle_2"]),
        migrations.RunSQL(["DROP FUNCTION usage_settle_1"], [function("usage_settle_1")]),
    ]
