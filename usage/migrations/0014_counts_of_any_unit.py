"""Events tell counts of any unit."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0013_history")]

    operations = [
        migrations.AddField(
            model_name="usageevent", name="usage", field=models.JSONField(null=True)
        ),
    ]
