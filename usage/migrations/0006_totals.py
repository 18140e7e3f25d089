"""What reports ask for most stands beside the rollups, added up. Like these, whoever deletes some takes the mark of their organization along."""

import credits.models.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0004_indexes_that_are_asked'),
        ('usage', '0005_one_charge'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('of', models.CharField(choices=[('work', 'Work'), ('resource', 'Resource'), ('actor', 'Actor')], max_length=8)),
                ('span', models.CharField(choices=[('day', 'Day'), ('month', 'Month')], max_length=5)),
                ('starts_on', models.DateField()),
                ('work_type', models.CharField(default='', max_length=20)),
                ('resource_type', models.CharField(default='', max_length=20)),
                ('resource_id', models.CharField(default='', max_length=128)),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('events', models.BigIntegerField()),
                ('actor', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.actor')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='usage_totals', to='organizations.organization')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('organization', 'of', 'span', 'starts_on', 'work_type', 'resource_type', 'resource_id', 'actor'), name='usagetotal_one_per_span', nulls_distinct=False)],
            },
        ),
        migrations.RunSQL(
            """CREATE TRIGGER usagetotal_takes_its_mark AFTER DELETE ON usage_usagetotal
            REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION usage_forget_mark()""",
            "DROP TRIGGER usagetotal_takes_its_mark ON usage_usagetotal",
        ),
        # Rows that are written again and again find room for it on their page.
        migrations.RunSQL(
            "ALTER TABLE usage_usagetotal SET (fillfactor = 80)",
            "ALTER TABLE usage_usagetotal RESET (fillfactor)",
        ),
        # What was rolled up before has no totals: it is rolled up again.
        migrations.RunSQL("DELETE FROM usage_rollupmark", migrations.RunSQL.noop),
    ]
