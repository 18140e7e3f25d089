"""Why a rule was changed, in the row of its history that says what."""

import organizations.history
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0013_rights_of_their_own'),
    ]

    operations = [
        migrations.AddField(
            model_name='historicalactor',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalapikey',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalgroup',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalmembership',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalorganization',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalusageprofile',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
    ]
