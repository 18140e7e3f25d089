"""By what prices are multiplied: for everybody, a provider, a model, a customer."""

import django.db.models.deletion
import organizations.history
import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0014_why_rules_change'),
        ('usage', '0019_names_of_models'),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalCustomerPrice',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('provider', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('starts_at', models.DateTimeField()),
                ('factor', models.DecimalField(decimal_places=6, max_digits=10)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('model', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'historical customer price',
                'verbose_name_plural': 'historical customer prices',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalMarkup',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('provider', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('starts_at', models.DateTimeField()),
                ('factor', models.DecimalField(decimal_places=6, max_digits=10)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('model', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
            ],
            options={
                'verbose_name': 'historical markup',
                'verbose_name_plural': 'historical markups',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='CustomerPrice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('starts_at', models.DateTimeField()),
                ('factor', models.DecimalField(decimal_places=6, max_digits=10)),
                ('model', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.aimodel')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='customer_prices', to='organizations.organization')),
            ],
            options={
                'abstract': False,
                'constraints': [models.CheckConstraint(condition=models.Q(('factor__gt', 0), ('factor__lte', 1000)), name='customerprice_factor_in_range', violation_error_message='A markup is above 0, and at most 1000. What is free has a rate of 0.'), models.CheckConstraint(condition=models.Q(('provider', ''), ('model', None), _connector='OR'), name='customerprice_of_provider_or_model', violation_error_message='A markup is of a provider, of a model, or of all: not of two.'), models.UniqueConstraint(fields=('organization', 'provider', 'model', 'starts_at'), name='customerprice_one_per_moment', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Markup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('starts_at', models.DateTimeField()),
                ('factor', models.DecimalField(decimal_places=6, max_digits=10)),
                ('model', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.aimodel')),
            ],
            options={
                'abstract': False,
                'constraints': [models.CheckConstraint(condition=models.Q(('factor__gt', 0), ('factor__lte', 1000)), name='markup_factor_in_range', violation_error_message='A markup is above 0, and at most 1000. What is free has a rate of 0.'), models.CheckConstraint(condition=models.Q(('provider', ''), ('model', None), _connector='OR'), name='markup_of_provider_or_model', violation_error_message='A markup is of a provider, of a model, or of all: not of two.'), models.UniqueConstraint(fields=('provider', 'model', 'starts_at'), name='markup_one_per_moment', nulls_distinct=False)],
            },
        ),
    ]
