"""What happened to an organization is found by it, the newest first: its page looks there."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0016_history_of_an_organization'),
        ('usage', '0025_plans_are_kept'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='historicallimit',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='limit_history'),
        ),
        migrations.AddIndex(
            model_name='historicalthresholds',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='thresholds_history'),
        ),
    ]
