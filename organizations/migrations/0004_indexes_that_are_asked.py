"""An index for what is asked, and none for what nobody asks: each costs every write.

Django makes an index for `LIKE` of every name that is a primary key. Nobody looks for the beginning of these.
"""

import django.db.models.deletion
from django.db import migrations, models


FOR_LIKE = {
    "organizations_ratecount_name_33acac8f_like": "organizations_ratecount (name varchar_pattern_ops)",
    "organizations_tick_task_0dd599aa_like": "organizations_tick (task varchar_pattern_ops)",
}


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0003_seeds'),
    ]

    operations = [
        migrations.AlterField(
            model_name='actor',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='actors', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='apikey',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='api_keys', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='failure',
            name='organization',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='failures', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='group',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='groups', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='idempotencykey',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='idempotency_keys', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='membership',
            name='group',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='organizations.group'),
        ),
        migrations.AlterField(
            model_name='membership',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='organization',
            name='parent',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='organizations.organization'),
        ),
        migrations.AlterField(
            model_name='usageprofile',
            name='organization',
            field=models.ForeignKey(blank=True, db_index=False, help_text="Empty: one of the system's, for everybody.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_profiles', to='organizations.organization'),
        ),
        migrations.AddIndex(
            model_name='group',
            index=models.Index(fields=['organization', '-id'], name='group_newest_first'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=models.Index(fields=['parent', 'status', '-id'], name='organization_by_status'),
        ),
        *[
            migrations.RunSQL(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {columns}")
            for name, columns in FOR_LIKE.items()
        ],
    ]
