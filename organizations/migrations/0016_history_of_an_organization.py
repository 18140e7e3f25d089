"""What happened to an organization is found by it, the newest first: its page looks there."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0015_bulk_actions'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='historicalactor',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='actor_history'),
        ),
        migrations.AddIndex(
            model_name='historicalapikey',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='apikey_history'),
        ),
        migrations.AddIndex(
            model_name='historicalgroup',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='group_history'),
        ),
        migrations.AddIndex(
            model_name='historicalusageprofile',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='usageprofile_history'),
        ),
    ]
