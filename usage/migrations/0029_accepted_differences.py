"""Differences from the public price list that somebody of the staff accepted, and the daily comparison that finds them."""

import django.db.models.deletion
import usage.models
from django.db import migrations, models

NAME, TASK = "compare prices", "usage.tasks.compare_prices"


def add_schedule(apps, schema_editor):
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule")
    crontab, _ = crontabs.objects.get_or_create(minute="25", hour="4", timezone="UTC")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.create(
        name=NAME, task=TASK, crontab=crontab, expire_seconds=3_300
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0028_price_proposals'),
    ]

    operations = [
        migrations.CreateModel(
            name='AcceptedDifference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('unit', models.CharField(max_length=40)),
                ('variant', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('hours', models.CharField(blank=True, db_default='', default='', max_length=11)),
                ('prompt_tokens_from', models.PositiveIntegerField(db_default=0, default=0)),
                ('own', usage.models.PriceField(decimal_places=20, max_digits=34)),
                ('listed', usage.models.PriceField(decimal_places=20, max_digits=34)),
                ('reason', models.CharField(max_length=300)),
                ('accepted_by', models.CharField(max_length=150)),
                ('accepted_at', models.DateTimeField()),
                ('model', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='accepted_differences', to='usage.aimodel')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model', 'unit', 'variant', 'hours', 'prompt_tokens_from'), name='accepteddifference_one_per_step')],
            },
        ),
        migrations.RunPython(add_schedule, remove_schedule),
    ]
