"""The version of a wallet's terms, and that of the catalogue: random, so that no two contents ever have the same."""

from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_hash_in_sql")]
    operations = [
        migrations.AddField(
            model_name="wallet",
            name="terms_version",
            field=models.UUIDField(db_default=RandomUUID(), editable=False),
        ),
        migrations.CreateModel(
            name="Catalogue",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("version", models.UUIDField(db_default=RandomUUID(), editable=False)),
            ],
            options={
                "verbose_name_plural": "catalogue",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="catalogue_is_one_row"
                    )
                ],
            },
        ),
        migrations.RunSQL("INSERT INTO credits_catalogue (id) VALUES (1)", migrations.RunSQL.noop),
    ]
