"""What was used is never less than nothing: forgiving takes off at most what was."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_cancel_at_period_end")]
    operations = [
        migrations.RemoveConstraint("usagecounter", "usagecounter_reserved_not_negative"),
        migrations.AddConstraint(
            "usagecounter",
            models.CheckConstraint(
                name="usagecounter_amounts_not_negative",
                condition=models.Q(used__gte=0, reserved__gte=0),
            ),
        ),
    ]
