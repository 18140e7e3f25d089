"""Why a rule was changed, in the row of its history that says what."""

import organizations.history
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0017_rights_of_their_own'),
    ]

    operations = [
        migrations.AddField(
            model_name='historicalaimodel',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicallimit',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalrate',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
        migrations.AddField(
            model_name='historicalthresholds',
            name='history_why',
            field=models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300),
        ),
    ]
