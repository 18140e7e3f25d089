"""An index for what is asked, and none for what nobody asks: each costs every write.

Grants say whether they are live in a column of their own, so that drawing on one changes no index. Rows that are written again and
again find room for it on their page.
"""

import django.db.models.deletion
import django.db.models.fields.json
from django.db import migrations, models


FILLFACTORS = {
    "credits_wallet": 50,
    "credits_billingperiod": 60,
    "credits_usagecounter": 60,
    "credits_grant": 80,
}


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0006_raise_terms_version'),
        ('organizations', '0004_indexes_that_are_asked'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='grant',
            name='grant_live',
        ),
        migrations.RemoveIndex(
            model_name='ledgerentry',
            name='ledgerentry_as_of',
        ),
        migrations.RemoveIndex(
            model_name='reservation',
            name='reservation_due',
        ),
        migrations.AddField(
            model_name='grant',
            name='live',
            field=models.GeneratedField(db_persist=True, expression=models.Q(('remaining__gt', 0)), output_field=models.BooleanField()),
        ),
        migrations.AlterField(
            model_name='grant',
            name='wallet',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='credits.wallet'),
        ),
        migrations.AlterField(
            model_name='grantdraw',
            name='grant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='draws', to='credits.grant'),
        ),
        migrations.AlterField(
            model_name='ledgerentry',
            name='counted_in',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='work', to='credits.billingperiod'),
        ),
        migrations.AlterField(
            model_name='reservation',
            name='period',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='credits.billingperiod'),
        ),
        migrations.AlterField(
            model_name='usagecounter',
            name='actor',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='organizations.actor'),
        ),
        migrations.AlterField(
            model_name='usagecounter',
            name='group',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='organizations.group'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(condition=models.Q(('live', True)), fields=['wallet', 'priority', 'expires_at', 'created_at', 'id'], name='grant_live'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['wallet', '-id'], name='grant_of_wallet'),
        ),
        migrations.AddIndex(
            model_name='grantdraw',
            index=models.Index(fields=['grant', '-id'], name='grantdraw_newest_first'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(fields=['wallet', 'posted_at', 'number'], name='ledgerentry_as_of'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('kind', 'settle'), _negated=True), fields=['wallet', 'kind', 'posted_at', 'number'], name='ledgerentry_of_kind'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(models.F('wallet'), django.db.models.fields.json.KeyTextTransform('projectId', 'metadata'), models.F('posted_at'), models.F('number'), condition=models.Q(('metadata__has_key', 'projectId')), name='ledgerentry_of_project'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('counted_in__isnull', False)), fields=['counted_in', 'number'], name='ledgerentry_work'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='reservation_of_group'),
        ),
        migrations.AddIndex(
            model_name='usagecounter',
            index=models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='usagecounter_of_group'),
        ),
        *[
            migrations.RunSQL(
                f"ALTER TABLE {table} SET (fillfactor = {percent})",
                f"ALTER TABLE {table} RESET (fillfactor)",
            )
            for table, percent in FILLFACTORS.items()
        ],
    ]
