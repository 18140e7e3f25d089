"""What a refusal keeps: its code, the ids of its requests, what would have been admitted, and when it ends."""

import credits.models.fields
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0006_format_of_an_answer'),
        ('usage', '0006_totals'),
    ]

    operations = [
        migrations.AddField(
            model_name='denial',
            name='affordable',
            field=credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True),
        ),
        migrations.AddField(
            model_name='denial',
            name='code',
            field=models.CharField(db_default='', default='', max_length=40),
        ),
        migrations.AddField(
            model_name='denial',
            name='request_ids',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), db_default=[], default=list, size=None),
        ),
        migrations.AddField(
            model_name='denial',
            name='times',
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name='denial',
            name='unblocks_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='denial',
            index=django.contrib.postgres.indexes.GinIndex(fields=['request_ids'], name='denial_request_ids'),
        ),
    ]
