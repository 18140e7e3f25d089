"""Questions of staff, what a month would have come to by other rules, and their answers."""

import credits.models.fields
import django.db.models.deletion
import organizations.ids
from decimal import Decimal
from django.db import migrations, models


NAME, SECONDS, TASK = "answer what-ifs", 20, "usage.tasks.answer_what_ifs"


def add_schedule(apps, schema_editor):
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule")
    interval, _ = intervals.objects.get_or_create(every=SECONDS, period="seconds")
    # A ring that nobody answered is void before the next, so none pile up.
    apps.get_model("django_celery_beat", "PeriodicTask").objects.create(
        name=NAME, task=TASK, interval=interval, expire_seconds=SECONDS - 5
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0013_rights_of_their_own'),
        ('usage', '0021_markups_raise_terms'),
    ]

    operations = [
        migrations.CreateModel(
            name='WhatIf',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('changes', models.JSONField()),
                ('asked_by', models.CharField(max_length=150)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'what-if',
            },
        ),
        migrations.CreateModel(
            name='WhatIfPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('place', models.JSONField(null=True)),
                ('credits_before', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('credits_after', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('finished_at', models.DateTimeField(null=True)),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.organization')),
                ('what_if', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='usage.whatif')),
            ],
        ),
        migrations.CreateModel(
            name='WhatIfLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(choices=[('kept', 'as it was'), ('refused', 'refused'), ('downgraded', 'downgraded'), ('spared', 'not downgraded'), ('admitted', 'not refused')], max_length=10)),
                ('refused_by', models.CharField(default='', max_length=20)),
                ('pieces', models.BigIntegerField()),
                ('credits_before', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('credits_after', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('actor', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.actor')),
                ('part', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='usage.whatifpart')),
            ],
        ),
        migrations.AddIndex(
            model_name='whatifpart',
            index=models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['organization'], name='whatifpart_waiting'),
        ),
        migrations.AddConstraint(
            model_name='whatifpart',
            constraint=models.UniqueConstraint(fields=('what_if', 'organization'), name='whatifpart_one_per_organization'),
        ),
        migrations.AddConstraint(
            model_name='whatifline',
            constraint=models.UniqueConstraint(fields=('part', 'actor', 'outcome', 'refused_by'), name='whatifline_one_per_outcome', nulls_distinct=False),
        ),
        migrations.RunPython(add_schedule, remove_schedule),
    ]
