"""Changes of prices that wait for a second person. What was proposed stays what it was, and so does what was decided: a trigger."""

from pathlib import Path

import organizations.ids
from django.db import migrations, models

FUNCTION = (Path(__file__).parent / "sql" / "usage_priceproposal_is_fixed.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0005_storage'),
    ]

    operations = [
        migrations.CreateModel(
            name='PriceProposal',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('action', models.CharField(max_length=40)),
                ('payload', models.JSONField()),
                ('digest', models.CharField(max_length=64)),
                ('subject', models.CharField(max_length=200)),
                ('effect', models.CharField(max_length=300)),
                ('reason', models.CharField(max_length=300)),
                ('proposed_by', models.CharField(max_length=150)),
                ('proposed_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('approved', 'Approved'), ('refused', 'Refused')], default='waiting', max_length=8)),
                ('decided_by', models.CharField(max_length=150, null=True)),
                ('decided_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'approved', 'refused'])), name='priceproposal_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='priceproposal_decided_or_waiting'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), models.Q(('decided_by', models.F('proposed_by')), _negated=True), _connector='OR'), name='priceproposal_approved_by_another'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), ('decided_at__lt', models.F('expires_at')), _connector='OR'), name='priceproposal_approved_in_time'), models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('proposed_at'))), name='priceproposal_expires_later')],
            },
        ),
        migrations.RunSQL(
            [
                FUNCTION,
                """CREATE TRIGGER priceproposal_is_fixed BEFORE UPDATE OR DELETE ON usage_priceproposal
                FOR EACH ROW EXECUTE FUNCTION usage_priceproposal_is_fixed()""",
            ],
            [
                "DROP TRIGGER priceproposal_is_fixed ON usage_priceproposal",
                "DROP FUNCTION usage_priceproposal_is_fixed",
            ],
        ),
    ]
