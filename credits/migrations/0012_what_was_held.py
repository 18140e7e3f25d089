"""What a wallet's holds held at a moment of long ago, by an index: for `asOf`."""

from pathlib import Path

from django.db import migrations, models


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("credits", "0011_checksums_of_columns")]
    operations = [
        migrations.RunSQL([function("credits_lasted_1")], ["DROP FUNCTION credits_lasted_1"]),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(
                models.F("wallet"),
                models.Func(
                    "created_at", "closed_at", "expires_at", function="credits_lasted_1"
                ),
                models.F("created_at"),
                condition=models.Q(("closed_at__isnull", False), ("credits__gt", 0)),
                name="reservation_held",
            ),
        ),
        migrations.RunSQL([function("credits_held_1")], ["DROP FUNCTION credits_held_1"]),
    ]
