"""How an idempotency key's stored answer is rendered: its very bytes, or what the door that gave it makes of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_counting")]
    operations = [
        migrations.AddField(
            model_name="idempotencykey",
            name="format",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        )
    ]
