"""Actions on many at once, and those whom each is for. What was asked stays what it was: two triggers."""

from pathlib import Path

import django.db.models.deletion
import organizations.ids
from django.db import migrations, models


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    function("organizations_bulkaction_is_fixed"),
    """CREATE TRIGGER bulkaction_is_fixed BEFORE UPDATE OR DELETE ON organizations_bulkaction
    FOR EACH ROW EXECUTE FUNCTION organizations_bulkaction_is_fixed()""",
    function("organizations_bulkitem_is_fixed"),
    """CREATE TRIGGER bulkitem_is_fixed BEFORE UPDATE OR DELETE ON organizations_bulkitem
    FOR EACH ROW EXECUTE FUNCTION organizations_bulkitem_is_fixed()""",
]
BACKWARD = [
    "DROP TRIGGER bulkitem_is_fixed ON organizations_bulkitem",
    "DROP FUNCTION organizations_bulkitem_is_fixed",
    "DROP TRIGGER bulkaction_is_fixed ON organizations_bulkaction",
    "DROP FUNCTION organizations_bulkaction_is_fixed",
]


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0014_why_rules_change'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkAction',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('action', models.CharField(max_length=40)),
                ('payload', models.JSONField()),
                ('selection', models.TextField()),
                ('digest', models.CharField(max_length=64)),
                ('total', models.PositiveIntegerField()),
                ('reason', models.CharField(max_length=300)),
                ('asked_by', models.CharField(max_length=150)),
                ('asked_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('draft', 'not confirmed'), ('waiting', 'waits for a second person'), ('confirmed', 'Confirmed'), ('refused', 'given up')], default='draft', max_length=9)),
                ('needs_second_person', models.BooleanField(default=False)),
                ('decided_by', models.CharField(max_length=150, null=True)),
                ('decided_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['asked_by', '-asked_at'], name='bulkaction_of_one_lately')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'waiting', 'confirmed', 'refused'])), name='bulkaction_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('state__in', ['draft', 'waiting'])), models.Q(models.Q(('state__in', ['draft', 'waiting']), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='bulkaction_decided_or_open'), models.CheckConstraint(condition=models.Q(models.Q(('needs_second_person', True), ('state', 'confirmed'), _negated=True), models.Q(('decided_by', models.F('asked_by')), _negated=True), _connector='OR'), name='bulkaction_approved_by_another'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'confirmed'), _negated=True), ('decided_at__lt', models.F('expires_at')), _connector='OR'), name='bulkaction_confirmed_in_time'), models.CheckConstraint(condition=models.Q(('total__gt', 0)), name='bulkaction_of_somebody'), models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('asked_at'))), name='bulkaction_expires_later')],
            },
        ),
        migrations.CreateModel(
            name='BulkItem',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('bulk_id', models.UUIDField()),
                ('rehearsed_at', models.DateTimeField(null=True)),
                ('figures', models.JSONField(default=dict)),
                ('effect', models.CharField(blank=True, choices=[('', 'none'), ('unblocks', 'Unblocks'), ('blocks', 'Blocks')], default='', max_length=8)),
                ('amount', models.DecimalField(decimal_places=6, default=0, max_digits=24)),
                ('needs_second_person', models.BooleanField(default=False)),
                ('refusal', models.CharField(blank=True, default='', max_length=500)),
                ('is_to_do', models.BooleanField(default=False)),
                ('finished_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('', 'waits'), ('done', 'Done'), ('skipped', 'Skipped'), ('failed', 'Failed')], default='', max_length=7)),
                ('said', models.CharField(blank=True, default='', max_length=500)),
                ('actor', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bulk_items', to='organizations.actor')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='bulk_items', to='organizations.organization')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('rehearsed_at', None)), fields=['organization'], name='bulkitem_to_rehearse'), models.Index(condition=models.Q(('finished_at', None), ('is_to_do', True)), fields=['organization'], name='bulkitem_to_do')],
                'constraints': [models.UniqueConstraint(fields=('bulk_id', 'organization', 'actor'), name='bulkitem_one_of_each', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'done', 'skipped', 'failed'])), name='bulkitem_outcome_known'), models.CheckConstraint(condition=models.Q(('effect__in', ['', 'unblocks', 'blocks'])), name='bulkitem_effect_known'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('finished_at__isnull', False), ('is_to_do', True)), _connector='OR'), name='bulkitem_finished_with_an_outcome')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
