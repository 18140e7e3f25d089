"""A reservation keeps the figures of the limits that it was asked of, and no longer the words for them."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0012_what_was_held")]
    operations = [
        migrations.RemoveField(model_name="reservation", name="limits"),
        migrations.AddField(
            model_name="reservation",
            name="figures",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DecimalField(decimal_places=6, max_digits=24, null=True),
                default=list,
                size=None,
            ),
        ),
    ]
