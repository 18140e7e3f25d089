"""Work on an organization's own provider keys costs nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_rollups")]
    operations = [
        migrations.AddConstraint(
            "usageevent",
            models.CheckConstraint(
                name="usageevent_byok_is_free",
                condition=models.Q(byok=False) | models.Q(credits=0),
            ),
        ),
    ]
