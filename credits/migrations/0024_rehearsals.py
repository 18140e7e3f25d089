"""Renewals that are rehearsed, and what they would do."""

import credits.models.fields
import django.db.models.deletion
import organizations.ids
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0023_names_of_grants'),
        ('organizations', '0014_why_rules_change'),
    ]

    operations = [
        migrations.CreateModel(
            name='Rehearsal',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('until', models.DateTimeField(verbose_name='due by')),
                ('total', models.PositiveIntegerField()),
                ('reason', models.CharField(max_length=300)),
                ('performed_by', models.CharField(max_length=400)),
                ('created_at', models.DateTimeField()),
                ('run_by', models.CharField(blank=True, default='', max_length=400)),
                ('run_at', models.DateTimeField(null=True)),
            ],
            options={
                'permissions': [('run_rehearsal', 'Run the renewals that were rehearsed')],
            },
        ),
        migrations.CreateModel(
            name='RehearsedRenewal',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('rehearsal_id', models.UUIDField()),
                ('until', models.DateTimeField()),
                ('rehearsed_at', models.DateTimeField(null=True)),
                ('periods', models.PositiveIntegerField(default=0)),
                ('balance_before', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('lapsed', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('rolled_over', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('granted', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('seats', models.PositiveIntegerField(default=0)),
                ('balance_after', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('stub', models.CharField(blank=True, default='', max_length=200)),
                ('is_to_run', models.BooleanField(default=False)),
                ('ran_at', models.DateTimeField(null=True)),
                ('balance_then', credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rehearsed_renewals', to='organizations.organization')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('rehearsed_at', None)), fields=['organization'], name='rehearsedrenewal_to_rehearse'), models.Index(condition=models.Q(('is_to_run', True), ('ran_at', None)), fields=['organization'], name='rehearsedrenewal_to_run')],
                'constraints': [models.UniqueConstraint(fields=('rehearsal_id', 'organization'), name='rehearsedrenewal_one_of_each')],
            },
        ),
    ]
