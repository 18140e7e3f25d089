"""What everybody used in a month, on which model, stands where the largest of all organizations are found. Whoever deletes some takes the mark along."""

import credits.models.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0014_why_rules_change'),
        ('usage', '0023_retired_models'),
    ]

    operations = [
        migrations.CreateModel(
            name='MonthlyUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField()),
                ('of', models.CharField(choices=[('organization', 'Organization'), ('person', 'Person')], max_length=12)),
                ('is_whole', models.BooleanField()),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('events', models.BigIntegerField()),
                ('actor', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.actor')),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.aimodel')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'use of a month',
                'verbose_name_plural': 'who used most',
                'indexes': [models.Index(fields=['month', 'of', 'is_whole', 'model', '-credits', '-id'], name='monthlyuse_most_credits'), models.Index(fields=['month', 'of', 'is_whole', 'model', '-events', '-id'], name='monthlyuse_most_work')],
                'constraints': [models.UniqueConstraint(fields=('organization', 'month', 'of', 'is_whole', 'actor', 'model'), name='monthlyuse_one_of_each', nulls_distinct=False)],
            },
        ),
        migrations.RunSQL(
            """CREATE TRIGGER monthlyuse_takes_its_mark AFTER DELETE ON usage_monthlyuse
            REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION usage_forget_mark()""",
            "DROP TRIGGER monthlyuse_takes_its_mark ON usage_monthlyuse",
        ),
        # What was rolled up before is not in them: it is rolled up again.
        migrations.RunSQL("DELETE FROM usage_rollupmark", migrations.RunSQL.noop),
    ]
