"""Percentages of a budget that warn: of an organization, a person or a group."""


import django.contrib.postgres.fields
import django.db.models.deletion
import organizations.history
import organizations.ids
import simple_history.models
from django.db import migrations, models


FORWARD = [
    # A warning is about an actor of its own organization: a composite foreign key says so, as of memberships.
    """ALTER TABLE organizations_budgetwarning
    ADD CONSTRAINT budgetwarning_actor_fits FOREIGN KEY (actor_id, organization_id)
        REFERENCES organizations_actor (id, organization_id)""",
    # Nothing is reached at 0 %.
    """ALTER TABLE organizations_budgetwarning
    ADD CONSTRAINT budgetwarning_percents_in_range CHECK (0 < ALL (percents) AND 1000 >= ALL (percents))""",
]
BACKWARD = [
    "ALTER TABLE organizations_budgetwarning DROP CONSTRAINT budgetwarning_percents_in_range",
    "ALTER TABLE organizations_budgetwarning DROP CONSTRAINT budgetwarning_actor_fits",
]


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0007_alerts'),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalBudgetWarning',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('id', models.UUIDField(db_index=True, default=organizations.ids.new_id, editable=False)),
                ('budget', models.DecimalField(blank=True, decimal_places=6, help_text='Credits per calendar month. Empty: of the cap that applies.', max_digits=24, null=True)),
                ('percents', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), help_text='At which it warns: 80, 100.', size=None)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('actor', models.ForeignKey(blank=True, db_constraint=False, help_text='Of this person or agent only.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.actor')),
                ('group', models.ForeignKey(blank=True, db_constraint=False, help_text='Of this group only: of a shared budget what is drawn from it, of a team what its members use together.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.group')),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'historical budget warning',
                'verbose_name_plural': 'historical budget warnings',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='BudgetWarning',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('budget', models.DecimalField(blank=True, decimal_places=6, help_text='Credits per calendar month. Empty: of the cap that applies.', max_digits=24, null=True)),
                ('percents', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), help_text='At which it warns: 80, 100.', size=None)),
                ('actor', models.ForeignKey(blank=True, help_text='Of this person or agent only.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='budget_warnings', to='organizations.actor')),
                ('group', models.ForeignKey(blank=True, help_text='Of this group only: of a shared budget what is drawn from it, of a team what its members use together.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='budget_warnings', to='organizations.group')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='budget_warnings', to='organizations.organization')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('organization', 'actor', 'group'), name='budgetwarning_one_per_subject', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('actor__isnull', True), ('group__isnull', True), _connector='OR'), name='budgetwarning_of_one_subject'), models.CheckConstraint(condition=models.Q(('budget__gt', 0)), name='budgetwarning_budget_positive'), models.CheckConstraint(condition=models.Q(('percents__len__gte', 1), ('percents__len__lte', 5)), name='budgetwarning_some_percents')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
