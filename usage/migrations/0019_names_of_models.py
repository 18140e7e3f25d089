"""What else a model is called."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0018_why_rules_change'),
    ]

    operations = [
        migrations.AddField(
            model_name='aimodel',
            name='aliases',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), blank=True, db_default=[], default=list, help_text='What requests may call it besides. Dated snapshots of what the price list knows are known anyway.', size=None),
        ),
        migrations.AddField(
            model_name='historicalaimodel',
            name='aliases',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), blank=True, db_default=[], default=list, help_text='What requests may call it besides. Dated snapshots of what the price list knows are known anyway.', size=None),
        ),
    ]
