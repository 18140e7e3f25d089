"""What Purser notices by itself, from where on for everybody, and the task that looks for it."""


import django.db.models.deletion
import organizations.history
import organizations.ids
import simple_history.models
from django.db import migrations, models


NAME, SECONDS, TASK = "notice", 300, "usage.tasks.notice"
FOR_EVERYBODY = {
    "near_cap_percent": 80,
    "dry_within_days": 7,
    "debt_above": 0,
    "debt_growth": 500,
    "refusals_at_least": 20,
    "refusals_factor": 3,
}


def add_rule(apps, schema_editor):
    apps.get_model("organizations", "AlertRule").objects.create(**FOR_EVERYBODY)


def remove_rule(apps, schema_editor):
    apps.get_model("organizations", "AlertRule").objects.filter(organization=None).delete()


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
        ('organizations', '0006_imports'),
    ]

    operations = [
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('near_cap', 'near the cap'), ('person_near_cap', 'person near the cap'), ('shared_near_cap', 'shared budget near the cap'), ('budget', 'budget warning'), ('dry_soon', 'dry soon'), ('in_debt', 'in debt'), ('debt_grown', 'debt grown'), ('refusals', 'refused more than usual'), ('job_failed', 'work left to staff'), ('findings', 'findings of an audit'), ('task_late', 'task late'), ('task_off', 'task switched off')], max_length=20)),
                ('severity', models.PositiveSmallIntegerField(choices=[(1, 'Warning'), (2, 'Critical')])),
                ('subject', models.CharField(default='', max_length=200)),
                ('level', models.PositiveIntegerField(default=0)),
                ('figures', models.JSONField(default=dict)),
                ('fired_at', models.DateTimeField()),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_by', models.CharField(default='', max_length=150)),
                ('silenced_until', models.DateTimeField(null=True)),
                ('silenced_by', models.CharField(default='', max_length=150)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('actor', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='organizations.actor')),
                ('group', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='organizations.group')),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='organizations.organization')),
            ],
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('near_cap_percent', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='near a cap, percent')),
                ('dry_within_days', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='dry within, days')),
                ('debt_above', models.DecimalField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('debt_growth', models.DecimalField(blank=True, decimal_places=6, max_digits=24, null=True, verbose_name='debt grown by, in a day')),
                ('refusals_at_least', models.PositiveIntegerField(blank=True, null=True, verbose_name='refusals in a day, at least')),
                ('refusals_factor', models.DecimalField(blank=True, decimal_places=2, max_digits=6, null=True, verbose_name='refusals, times the usual')),
                ('organization', models.OneToOneField(blank=True, help_text='Empty: for everybody.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='alert_rule', to='organizations.organization')),
            ],
        ),
        migrations.CreateModel(
            name='AlertStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(choices=[('fired', 'Fired'), ('worse', 'became worse'), ('acknowledged', 'Acknowledged'), ('reopened', 'acknowledgement taken back'), ('silenced', 'Silenced'), ('unsilenced', 'silence ended'), ('resolved', 'Resolved')], max_length=12)),
                ('at', models.DateTimeField()),
                ('by', models.CharField(max_length=150)),
                ('note', models.CharField(default='', max_length=300)),
                ('until', models.DateTimeField(null=True)),
                ('figures', models.JSONField(default=dict)),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='organizations.alert')),
            ],
        ),
        migrations.CreateModel(
            name='HistoricalAlertRule',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('near_cap_percent', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='near a cap, percent')),
                ('dry_within_days', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='dry within, days')),
                ('debt_above', models.DecimalField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('debt_growth', models.DecimalField(blank=True, decimal_places=6, max_digits=24, null=True, verbose_name='debt grown by, in a day')),
                ('refusals_at_least', models.PositiveIntegerField(blank=True, null=True, verbose_name='refusals in a day, at least')),
                ('refusals_factor', models.DecimalField(blank=True, decimal_places=2, max_digits=6, null=True, verbose_name='refusals, times the usual')),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, help_text='Empty: for everybody.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'historical alert rule',
                'verbose_name_plural': 'historical alert rules',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('resolved_at__isnull', True)), fields=['-id'], name='alert_open'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('resolved_at__isnull', True)), fields=['organization', '-id'], name='alert_of_organization'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('resolved_at__isnull', False)), fields=['resolved_at'], name='alert_over'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('silenced_until__isnull', False)), fields=['organization', 'kind', 'silenced_until'], name='alert_silenced'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('actor__isnull', False)), fields=['actor'], name='alert_of_actor'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='alert_of_group'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True)), fields=('organization', 'kind', 'actor', 'group', 'subject'), name='alert_one_open_per_subject', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('acknowledged_at__isnull', True), ('acknowledged_by', '')), models.Q(('acknowledged_at__isnull', False), models.Q(('acknowledged_by', ''), _negated=True)), _connector='OR'), name='alert_acknowledged_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('silenced_by', ''), ('silenced_until__isnull', True)), models.Q(('silenced_until__isnull', False), models.Q(('silenced_by', ''), _negated=True)), _connector='OR'), name='alert_silenced_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(('resolved_at__isnull', True), ('resolved_at__gte', models.F('fired_at')), _connector='OR'), name='alert_resolved_after_it_fired'),
        ),
        migrations.AddConstraint(
            model_name='alertrule',
            constraint=models.UniqueConstraint(condition=models.Q(('organization__isnull', True)), fields=('organization',), name='alertrule_one_for_everybody', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='alertrule',
            constraint=models.CheckConstraint(condition=models.Q(('debt_above__gte', 0), ('debt_growth__gt', 0), ('dry_within_days__gte', 1), ('dry_within_days__lte', 90), ('near_cap_percent__gte', 1), ('near_cap_percent__lte', 100), ('refusals_at_least__gte', 1), ('refusals_factor__gte', 1)), name='alertrule_numbers_make_sense'),
        ),
        migrations.RunPython(add_rule, remove_rule),
        migrations.RunPython(add_schedule, remove_schedule),
    ]
