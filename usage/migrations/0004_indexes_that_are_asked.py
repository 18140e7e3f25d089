"""An index for what is asked, and none for what nobody asks: each costs every write.

Django makes an index for `LIKE` of every name that is a primary key. Nobody looks for the beginning of a model's.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0007_indexes_that_are_asked'),
        ('organizations', '0004_indexes_that_are_asked'),
        ('usage', '0003_raise_terms_version'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='usageevent',
            name='usageevent_newest_first',
        ),
        migrations.AlterField(
            model_name='rate',
            name='model',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rates', to='usage.aimodel'),
        ),
        migrations.AlterField(
            model_name='usageevent',
            name='actor',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='organizations.actor'),
        ),
        migrations.AlterField(
            model_name='usageevent',
            name='entry',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='credits.ledgerentry'),
        ),
        migrations.AlterField(
            model_name='usageevent',
            name='group',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='organizations.group'),
        ),
        migrations.AlterField(
            model_name='usageevent',
            name='model',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='usage.aimodel'),
        ),
        migrations.AlterField(
            model_name='usagerollup',
            name='actor',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.actor'),
        ),
        migrations.AlterField(
            model_name='usagerollup',
            name='model',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.aimodel'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(fields=['organization', 'occurred_at', 'position'], name='usageevent_newest_first'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('actor__isnull', False)), fields=['actor', 'occurred_at', 'position'], name='usageevent_of_actor'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('model__isnull', False)), fields=['organization', 'model', 'occurred_at', 'position'], name='usageevent_of_model'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('source', 'reservation'), _negated=True), fields=['organization', 'source', 'occurred_at', 'position'], name='usageevent_of_source'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('entry__isnull', False)), fields=['entry'], name='usageevent_of_entry'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='usageevent_of_group'),
        ),
        migrations.RunSQL(
            "DROP INDEX usage_aimodel_slug_ea5ac18d_like",
            "CREATE INDEX usage_aimodel_slug_ea5ac18d_like ON usage_aimodel (slug varchar_pattern_ops)",
        ),
        migrations.AddIndex(
            model_name='limit',
            index=models.Index(condition=models.Q(('cap__isnull', False), ('scope', 'resource')), fields=['organization', 'created_at', 'id'], name='limit_capped_budgets'),
        ),
        # Rows that are written again and again find room for it on their page.
        migrations.RunSQL(
            "ALTER TABLE usage_usagerollup SET (fillfactor = 80)",
            "ALTER TABLE usage_usagerollup RESET (fillfactor)",
        ),
    ]
