"""Wallets remember the moment of their last entry: what is posted next is not before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0008_recharged")]
    operations = [
        migrations.AddField(
            model_name="wallet", name="posted_at", field=models.DateTimeField(null=True)
        )
    ]
