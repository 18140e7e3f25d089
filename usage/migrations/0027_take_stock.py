"""What the worker measures for the first page of the console: what all use, day by day, and of each organization whether somebody should look at it."""

import credits.models.fields
import django.db.models.deletion
from decimal import Decimal
from django.db import migrations, models


NAME, SECONDS, TASK = "take stock", 300, "usage.tasks.take_stock"


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
        ('organizations', '0018_jobs_of_a_kind'),
        ('usage', '0026_history_of_an_organization'),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('events', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Stock',
            fields=[
                ('id', models.BigIntegerField(default=1, primary_key=True, serialize=False)),
                ('taken_at', models.DateTimeField()),
                ('held', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('debt', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('reserved', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('open_holds', models.BigIntegerField()),
                ('active', models.BigIntegerField()),
                ('suspended', models.BigIntegerField()),
                ('archived', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Vitals',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='vitals', serialize=False, to='organizations.organization')),
                ('week', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('week_before', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('change', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('cap_share', models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ('dry_at', models.DateTimeField(null=True)),
                ('debt', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('refused', models.BigIntegerField(default=0)),
                ('ending', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('ends_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'vitals',
            },
        ),
        migrations.AddIndex(
            model_name='usagerollup',
            index=models.Index(fields=['day'], name='usagerollup_of_day'),
        ),
        migrations.AddField(
            model_name='dailyuse',
            name='model',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.aimodel'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='stock_is_one_row'),
        ),
        migrations.AddIndex(
            model_name='vitals',
            index=models.Index(condition=models.Q(('cap_share__gte', Decimal('0.8'))), fields=['-cap_share'], name='vitals_near_cap'),
        ),
        migrations.AddIndex(
            model_name='vitals',
            index=models.Index(condition=models.Q(('dry_at__isnull', False)), fields=['dry_at'], name='vitals_dry'),
        ),
        migrations.AddIndex(
            model_name='vitals',
            index=models.Index(condition=models.Q(('debt__gt', 0)), fields=['-debt'], name='vitals_in_debt'),
        ),
        migrations.AddIndex(
            model_name='vitals',
            index=models.Index(condition=models.Q(('refused__gt', 0)), fields=['-refused'], name='vitals_refused'),
        ),
        migrations.AddIndex(
            model_name='vitals',
            index=models.Index(condition=models.Q(('ends_at__isnull', False)), fields=['ends_at'], name='vitals_ending'),
        ),
        migrations.AddIndex(
            model_name='vitals',
            index=models.Index(fields=['change'], name='vitals_movers'),
        ),
        migrations.AddConstraint(
            model_name='dailyuse',
            constraint=models.UniqueConstraint(fields=('day', 'model'), name='dailyuse_one_per_model', nulls_distinct=False),
        ),
        migrations.RunPython(add_schedule, remove_schedule),
    ]
