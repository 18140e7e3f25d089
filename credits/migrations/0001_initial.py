"""The tables of money: wallets, entries, grants, holds, periods and counters."""

import credits.models.fields
import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.fields.json
import organizations.history
import organizations.ids
import simple_history.models
from decimal import Decimal
from django.db import migrations, models
from pathlib import Path


# What the tables below ask: an index of holds, and the rules of what the path of a request writes.
FUNCTIONS = [
    "credits_lasted_1",
    "credits_wallet_rules_1",
    "credits_billingperiod_rules_1",
    "credits_usagecounter_rules_1",
    "credits_reservation_rules_1",
    "credits_ledgerentry_rules_1",
    "credits_grant_rules_1",
]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('organizations', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(
            [function(name) for name in FUNCTIONS],
            [f"DROP FUNCTION {name}" for name in reversed(FUNCTIONS)],
        ),
        migrations.CreateModel(
            name='Catalogue',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('version', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False)),
                ('credit_usd', models.DecimalField(db_default=Decimal('0.01'), decimal_places=10, default=Decimal('0.01'), max_digits=14)),
            ],
            options={
                'verbose_name_plural': 'catalogue',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='catalogue_is_one_row'), models.CheckConstraint(condition=models.Q(('credit_usd__gt', 0), ('credit_usd__lte', 1000)), name='catalogue_credit_is_worth_something')],
            },
        ),
        migrations.CreateModel(
            name='Rehearsal',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('until', models.DateTimeField(verbose_name='due by')),
                ('total', models.PositiveIntegerField()),
                ('reason', models.CharField(max_length=300)),
                ('performed_by', models.CharField(max_length=400)),
                ('created_at', models.DateTimeField()),
                ('run_by', models.CharField(blank=True, default='', max_length=400)),
                ('run_at', models.DateTimeField(null=True)),
            ],
            options={
                'permissions': [('run_rehearsal', 'Run the renewals that were rehearsed')],
            },
        ),
        migrations.CreateModel(
            name='RehearsedRenewal',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('rehearsal_id', models.UUIDField()),
                ('until', models.DateTimeField()),
                ('rehearsed_at', models.DateTimeField(null=True)),
                ('periods', models.PositiveIntegerField(default=0)),
                ('balance_before', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('lapsed', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('rolled_over', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('granted', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('seats', models.PositiveIntegerField(default=0)),
                ('balance_after', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('stub', models.CharField(blank=True, default='', max_length=200)),
                ('is_to_run', models.BooleanField(default=False)),
                ('ran_at', models.DateTimeField(null=True)),
                ('balance_then', credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rehearsed_renewals', to='organizations.organization')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('rehearsed_at', None)), fields=['organization'], name='rehearsedrenewal_to_rehearse'), models.Index(condition=models.Q(('is_to_run', True), ('ran_at', None)), fields=['organization'], name='rehearsedrenewal_to_run')],
                'constraints': [models.UniqueConstraint(fields=('rehearsal_id', 'organization'), name='rehearsedrenewal_one_of_each')],
            },
        ),
        migrations.CreateModel(
            name='Wallet',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('balance', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('reserved', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('open_holds', models.IntegerField(db_default=0, default=0)),
                ('allowance_remaining', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('lapse_at', models.DateTimeField(null=True)),
                ('refill_cooldown_ends_at', models.DateTimeField(null=True)),
                ('refill_retry_at', models.DateTimeField(null=True)),
                ('head_number', models.BigIntegerField(default=0)),
                ('head_hash', models.BinaryField(default=b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00', max_length=32)),
                ('posted_at', models.DateTimeField(null=True)),
                ('event_position', models.BigIntegerField(db_default=0, default=0)),
                ('terms_version', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False)),
                ('created_at', models.DateTimeField()),
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='wallet', to='organizations.organization')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('lapse_at__isnull', False)), fields=['lapse_at'], name='wallet_lapse'), models.Index(condition=models.Q(('refill_cooldown_ends_at__isnull', False)), fields=['refill_cooldown_ends_at'], name='wallet_cooldown'), models.Index(condition=models.Q(('refill_retry_at__isnull', False)), fields=['refill_retry_at'], name='wallet_refill_retry')],
                'constraints': [models.CheckConstraint(condition=models.Func('balance', 'reserved', 'open_holds', 'allowance_remaining', 'head_number', 'event_position', function='credits_wallet_rules_1', output_field=models.BooleanField()), name='wallet_rules')],
            },
        ),
        migrations.CreateModel(
            name='BillingPeriod',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.IntegerField()),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('term_starts_at', models.DateTimeField()),
                ('term_ends_at', models.DateTimeField()),
                ('term_days', models.SmallIntegerField()),
                ('whole_days', models.SmallIntegerField()),
                ('allowance', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('allowance_per_user', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('seats', models.IntegerField(default=0)),
                ('share', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('used', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('reserved', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('recharged', credits.models.fields.AmountField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('opening_balance', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('closing_balance', credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='periods', to='credits.wallet')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('closed_at__isnull', True)), fields=['ends_at'], name='billingperiod_due')],
                'constraints': [models.UniqueConstraint(models.F('wallet'), models.F('index'), name='billingperiod_one_per_index'), models.UniqueConstraint(models.F('wallet'), models.F('starts_at'), name='billingperiod_one_per_start'), models.UniqueConstraint(fields=('wallet', 'ends_at'), name='billingperiod_one_per_end'), models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('wallet',), name='billingperiod_one_open'), models.CheckConstraint(condition=models.Func('index', 'starts_at', 'ends_at', 'term_starts_at', 'term_ends_at', 'term_days', 'whole_days', 'allowance', 'allowance_per_user', 'seats', 'share', 'used', 'reserved', 'recharged', 'closing_balance', 'closed_at', function='credits_billingperiod_rules_1', output_field=models.BooleanField()), name='billingperiod_rules')],
            },
        ),
        migrations.AddField(
            model_name='wallet',
            name='period',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='credits.billingperiod'),
        ),
        migrations.CreateModel(
            name='CreditConfig',
            fields=[
                ('wallet', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='config', serialize=False, to='credits.wallet')),
                ('monthly_cap', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: no cap. 0: nothing may be spent.', max_digits=24, null=True)),
                ('refill_threshold', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('refill_amount', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('refill_cooldown_seconds', models.PositiveIntegerField(default=300)),
                ('allowance', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='Credits included in each term.', max_digits=24)),
                ('allowance_per_user', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='And for each seat that a user takes.', max_digits=24)),
                ('seat_limit', models.PositiveIntegerField(blank=True, help_text='How many seats bring a share. Empty: no limit.', null=True)),
                ('term', models.CharField(choices=[('month', 'Month'), ('year', 'Year')], default='month', max_length=5)),
                ('anchored_on', models.DateField(help_text='Periods begin on this day of the month; years on this date.')),
                ('rollover_limit', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='What of an allowance may survive its term.', max_digits=24)),
                ('overdraft_limit', credits.models.fields.AmountField(blank=True, decimal_places=6, default=Decimal('0'), help_text='How far admission may go below zero. Empty: no limit.', max_digits=24, null=True)),
                ('overage_rate', credits.models.fields.AmountField(decimal_places=6, default=Decimal('1'), help_text='Information only; work costs the same.', max_digits=24)),
                ('when_empty', models.CharField(choices=[('deny', 'Deny'), ('fallback', 'Fallback')], default='deny', max_length=8)),
                ('first_term_full', models.BooleanField(default=False, help_text='The first term brings a whole allowance, although it begins after its anchor.')),
                ('cancel_at_period_end', models.BooleanField(default=False, help_text='The next term brings no allowance; this one stays as it is.')),
                ('cancelled_by', models.CharField(blank=True, choices=[('organization', 'Organization'), ('parent', 'Parent'), ('staff', 'Staff')], db_default='', default='', editable=False, help_text='Who may undo it: they, and whoever is above them.', max_length=12)),
                ('recharge_limit', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='Per billing period. 0: no recharge.', max_digits=24)),
                ('charge_limit', credits.models.fields.AmountField(blank=True, db_default=Decimal('100000'), decimal_places=6, default=Decimal('100000'), help_text='What one piece of work may cost at most. Empty: no limit.', max_digits=24, null=True)),
                ('free_fallback_limit', credits.models.fields.AmountField(blank=True, db_default=Decimal('10000'), decimal_places=6, default=Decimal('10000'), help_text='How much work on fallback models an empty pool may leave unpaid in a calendar month. Empty: no limit.', max_digits=24, null=True)),
                ('open_holds_limit', models.PositiveIntegerField(blank=True, db_default=10000, default=10000, help_text='How many holds may be open at once. Empty: no limit.', null=True)),
                ('actor_open_holds_limit', models.PositiveIntegerField(blank=True, db_default=10000, default=10000, help_text='And how many of each actor. Empty: no limit.', null=True, verbose_name='open holds limit of an actor')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('allowance__gte', 0), ('allowance_per_user__gte', 0), ('charge_limit__gte', 0), ('free_fallback_limit__gte', 0), ('monthly_cap__gte', 0), ('overage_rate__gte', 0), ('overdraft_limit__gte', 0), ('recharge_limit__gte', 0), ('refill_threshold__gte', 0), ('rollover_limit__gte', 0)), name='creditconfig_amounts_not_negative'), models.CheckConstraint(condition=models.Q(('refill_amount__gt', 0)), name='creditconfig_refill_amount_positive'), models.CheckConstraint(condition=models.Q(models.Q(('refill_amount__isnull', True), ('refill_threshold__isnull', True)), models.Q(('refill_amount__isnull', False), ('refill_threshold__isnull', False)), _connector='OR'), name='creditconfig_refill_both_or_neither', violation_error_message='Set both the refill threshold and the refill amount, or neither.'), models.CheckConstraint(condition=models.Q(('term__in', ['month', 'year'])), name='creditconfig_term_known'), models.CheckConstraint(condition=models.Q(('when_empty__in', ['deny', 'fallback'])), name='creditconfig_when_empty_known'), models.CheckConstraint(condition=models.Q(('cancelled_by__in', ['', 'organization', 'parent', 'staff'])), name='creditconfig_cancelled_by_known')],
            },
        ),
        migrations.CreateModel(
            name='HistoricalCreditConfig',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('monthly_cap', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: no cap. 0: nothing may be spent.', max_digits=24, null=True)),
                ('refill_threshold', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('refill_amount', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('refill_cooldown_seconds', models.PositiveIntegerField(default=300)),
                ('allowance', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='Credits included in each term.', max_digits=24)),
                ('allowance_per_user', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='And for each seat that a user takes.', max_digits=24)),
                ('seat_limit', models.PositiveIntegerField(blank=True, help_text='How many seats bring a share. Empty: no limit.', null=True)),
                ('term', models.CharField(choices=[('month', 'Month'), ('year', 'Year')], default='month', max_length=5)),
                ('anchored_on', models.DateField(help_text='Periods begin on this day of the month; years on this date.')),
                ('rollover_limit', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='What of an allowance may survive its term.', max_digits=24)),
                ('overdraft_limit', credits.models.fields.AmountField(blank=True, decimal_places=6, default=Decimal('0'), help_text='How far admission may go below zero. Empty: no limit.', max_digits=24, null=True)),
                ('overage_rate', credits.models.fields.AmountField(decimal_places=6, default=Decimal('1'), help_text='Information only; work costs the same.', max_digits=24)),
                ('when_empty', models.CharField(choices=[('deny', 'Deny'), ('fallback', 'Fallback')], default='deny', max_length=8)),
                ('first_term_full', models.BooleanField(default=False, help_text='The first term brings a whole allowance, although it begins after its anchor.')),
                ('cancel_at_period_end', models.BooleanField(default=False, help_text='The next term brings no allowance; this one stays as it is.')),
                ('cancelled_by', models.CharField(blank=True, choices=[('organization', 'Organization'), ('parent', 'Parent'), ('staff', 'Staff')], db_default='', default='', editable=False, help_text='Who may undo it: they, and whoever is above them.', max_length=12)),
                ('recharge_limit', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), help_text='Per billing period. 0: no recharge.', max_digits=24)),
                ('charge_limit', credits.models.fields.AmountField(blank=True, db_default=Decimal('100000'), decimal_places=6, default=Decimal('100000'), help_text='What one piece of work may cost at most. Empty: no limit.', max_digits=24, null=True)),
                ('free_fallback_limit', credits.models.fields.AmountField(blank=True, db_default=Decimal('10000'), decimal_places=6, default=Decimal('10000'), help_text='How much work on fallback models an empty pool may leave unpaid in a calendar month. Empty: no limit.', max_digits=24, null=True)),
                ('open_holds_limit', models.PositiveIntegerField(blank=True, db_default=10000, default=10000, help_text='How many holds may be open at once. Empty: no limit.', null=True)),
                ('actor_open_holds_limit', models.PositiveIntegerField(blank=True, db_default=10000, default=10000, help_text='And how many of each actor. Empty: no limit.', null=True, verbose_name='open holds limit of an actor')),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('wallet', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='credits.wallet')),
            ],
            options={
                'verbose_name': 'historical credit config',
                'verbose_name_plural': 'historical credit configs',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='PendingGrant',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('amount', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('name', models.CharField(blank=True, default='', max_length=128)),
                ('category', models.CharField(choices=[('paid', 'Paid'), ('promotional', 'Promotional'), ('goodwill', 'Goodwill'), ('correction', 'Correction')], max_length=11)),
                ('priority', models.PositiveSmallIntegerField(default=50)),
                ('effective_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('reference', models.CharField(blank=True, default='', max_length=255)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('performed_by', models.CharField(max_length=400)),
                ('created_at', models.DateTimeField()),
                ('begun_at', models.DateTimeField(null=True)),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('cancelled_by', models.CharField(blank=True, default='', max_length=400)),
                ('cancelled_because', models.CharField(blank=True, default='', max_length=500)),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='pending_grants', to='credits.wallet')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('begun_at', None), ('cancelled_at', None)), fields=['wallet', 'effective_at'], name='pendinggrant_coming'), models.Index(fields=['wallet', '-id'], name='pendinggrant_of_wallet')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='pendinggrant_amount_positive'), models.CheckConstraint(condition=models.Q(('expires_at', None), ('expires_at__gt', models.F('effective_at')), _connector='OR'), name='pendinggrant_ends_after_it_begins'), models.CheckConstraint(condition=models.Q(('begun_at', None), ('cancelled_at', None), _connector='OR'), name='pendinggrant_began_or_was_cancelled'), models.CheckConstraint(condition=models.Q(('category__in', ['paid', 'promotional', 'goodwill', 'correction'])), name='pendinggrant_category_known'), models.UniqueConstraint(condition=models.Q(('reference', ''), _negated=True), fields=('wallet', 'reference'), name='pendinggrant_one_per_reference')],
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('open', 'Open'), ('settled', 'Settled'), ('released', 'Released'), ('expired', 'Expired')], default='open', max_length=8)),
                ('mode', models.CharField(choices=[('exact', 'Exact'), ('up_to', 'Up To')], default='exact', max_length=5)),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('free_credits', credits.models.fields.AmountField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('settled_credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True)),
                ('late', models.BooleanField(default=False)),
                ('counter_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('work_type', models.CharField(default='ai', max_length=20)),
                ('resource_type', models.CharField(default='', max_length=20)),
                ('resource_id', models.CharField(default='', max_length=128)),
                ('requested_model', models.CharField(default='', max_length=80)),
                ('effective_model', models.CharField(default='', max_length=80)),
                ('decision', models.CharField(choices=[('allow', 'Allow'), ('downgrade', 'Downgrade')], default='allow', max_length=9)),
                ('is_charged', models.BooleanField(default=True)),
                ('byok', models.BooleanField(default=False)),
                ('estimate', models.JSONField(null=True)),
                ('rate_card', models.JSONField(null=True)),
                ('settled_with', models.JSONField(null=True)),
                ('figures', django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=6, max_digits=24, null=True), default=list, size=None)),
                ('metadata', models.JSONField(default=dict)),
                ('performed_by', models.CharField(max_length=200)),
                ('expires_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('actor', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='organizations.actor')),
                ('group', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='organizations.group')),
                ('period', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='credits.billingperiod')),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='credits.wallet')),
            ],
            options={
                'permissions': [('release', 'Release holds that are open')],
                'indexes': [models.Index(condition=models.Q(('status', 'open')), fields=['wallet', 'expires_at'], name='reservation_open'), models.Index(condition=models.Q(('actor__isnull', False), ('status', 'open')), fields=['wallet', 'actor', 'expires_at'], name='reservation_open_of_actor'), models.Index(fields=['wallet', '-id'], name='reservation_of_wallet'), models.Index(fields=['wallet', 'created_at', 'id'], name='reservation_newest_first'), models.Index(condition=models.Q(('status', 'settled'), _negated=True), fields=['wallet', 'status', 'created_at', 'id'], name='reservation_of_status'), models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='reservation_of_group'), models.Index(models.F('wallet'), models.Func('created_at', 'closed_at', 'expires_at', function='credits_lasted_1'), models.F('created_at'), condition=models.Q(('closed_at__isnull', False), ('credits__gt', 0)), name='reservation_held')],
                'constraints': [models.CheckConstraint(condition=models.Func('status', 'mode', 'credits', 'free_credits', 'settled_credits', 'late', 'decision', 'is_charged', 'closed_at', function='credits_reservation_rules_1', output_field=models.BooleanField()), name='reservation_rules')],
            },
        ),
        migrations.CreateModel(
            name='Growth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('grown_at', models.DateTimeField()),
                ('reservation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='growths', to='credits.reservation')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('credits__gt', 0)), name='growth_credits_positive')],
            },
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('grant', 'Grant'), ('renew', 'Renew'), ('recharge', 'Recharge'), ('adjust', 'Adjust'), ('lapse', 'Lapse'), ('settle', 'Settle'), ('reversal', 'Reversal'), ('allocate', 'Allocate'), ('refill', 'Refill'), ('sweep', 'Sweep'), ('reclaim', 'Reclaim')], max_length=8)),
                ('amount', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('balance_after', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('allowance_after', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('usage_after', credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True)),
                ('transfer_id', models.UUIDField(null=True)),
                ('reference', models.CharField(blank=True, db_default='', default='', max_length=255)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('metadata', models.JSONField(default=dict)),
                ('performed_by', models.CharField(max_length=400)),
                ('posted_at', models.DateTimeField()),
                ('previous_hash', models.BinaryField(max_length=32)),
                ('hash', models.BinaryField(max_length=32)),
                ('counted_in', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='work', to='credits.billingperiod')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='credits.billingperiod')),
                ('reverses', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversed_by', to='credits.ledgerentry')),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='credits.wallet')),
                ('reservation', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='credits.reservation')),
            ],
            options={
                'verbose_name_plural': 'ledger entries',
                'permissions': [('grant', 'Grant credits, alone up to the amount set for it'), ('grant_more', 'Grant credits, alone up to the amount that needs a second person'), ('adjust', 'Adjust a balance, and change the reference of an entry'), ('recharge', 'Book a purchase of credits'), ('allocate', 'Move credits between a parent and its children'), ('reverse', 'Reverse entries, and take purchases and work back'), ('reprice', 'Price past work again')],
                'indexes': [models.Index(fields=['wallet', 'posted_at', 'number'], name='ledgerentry_as_of'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('reason', config='simple'), condition=models.Q(('reason', ''), _negated=True), name='ledgerentry_words'), models.Index(condition=models.Q(('kind', 'settle'), _negated=True), fields=['wallet', 'kind', 'posted_at', 'number'], name='ledgerentry_of_kind'), models.Index(models.F('wallet'), django.db.models.fields.json.KeyTextTransform('projectId', 'metadata'), models.F('posted_at'), models.F('number'), condition=models.Q(('metadata__has_key', 'projectId')), name='ledgerentry_of_project'), models.Index(condition=models.Q(('counted_in__isnull', False)), fields=['counted_in', 'number'], name='ledgerentry_work'), models.Index(condition=models.Q(('reverses__isnull', False)), fields=['reverses'], name='ledgerentry_reversals')],
                'constraints': [models.UniqueConstraint(fields=('wallet', 'number'), name='ledgerentry_one_per_number'), models.CheckConstraint(condition=models.Func('number', 'kind', 'amount', 'reverses', 'transfer_id', 'reference', function='credits_ledgerentry_rules_1', output_field=models.BooleanField()), name='ledgerentry_rules'), models.UniqueConstraint(condition=models.Q(('transfer_id__isnull', False)), fields=('transfer_id', 'wallet'), name='ledgerentry_one_side_per_wallet'), models.UniqueConstraint(condition=models.Q(('kind', 'settle'), ('reverses__isnull', True)), fields=('reservation',), name='ledgerentry_one_charge_per_reservation'), models.UniqueConstraint(condition=models.Q(('kind', 'settle'), ('reverses__isnull', False)), fields=('reverses',), name='ledgerentry_followed_once')],
            },
        ),
        migrations.CreateModel(
            name='Grant',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(choices=[('allowance', 'Allowance'), ('grant', 'Grant'), ('purchase', 'Purchase'), ('allocation', 'Allocation'), ('adjustment', 'Adjustment')], max_length=10)),
                ('amount', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('remaining', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('live', models.GeneratedField(db_persist=True, expression=models.Q(('remaining__gt', 0)), output_field=models.BooleanField())),
                ('priority', models.SmallIntegerField(default=50)),
                ('expires_at', models.DateTimeField(null=True)),
                ('term_starts_at', models.DateTimeField(null=True)),
                ('seat', models.IntegerField(db_default=0, default=0)),
                ('upgrade', models.SmallIntegerField(db_default=0, default=0)),
                ('name', models.CharField(blank=True, db_default='', default='', max_length=128)),
                ('category', models.CharField(choices=[('paid', 'Paid'), ('promotional', 'Promotional'), ('goodwill', 'Goodwill'), ('correction', 'Correction')], db_default='paid', max_length=11)),
                ('created_at', models.DateTimeField()),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='credits.wallet')),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='credits.ledgerentry')),
            ],
            options={
                'permissions': [('void', 'Void what is left of a grant')],
                'indexes': [models.Index(condition=models.Q(('live', True)), fields=['wallet', 'priority', 'expires_at', 'created_at', 'id'], name='grant_live'), models.Index(condition=models.Q(('expires_at__isnull', False), ('live', True)), fields=['wallet', 'expires_at'], name='grant_ending'), models.Index(fields=['wallet', '-id'], name='grant_of_wallet')],
                'constraints': [models.CheckConstraint(condition=models.Func('source', 'amount', 'remaining', 'priority', 'expires_at', 'term_starts_at', 'seat', 'upgrade', 'category', function='credits_grant_rules_1', output_field=models.BooleanField()), name='grant_rules'), models.UniqueConstraint(condition=models.Q(('term_starts_at__isnull', False)), fields=('wallet', 'term_starts_at', 'seat', 'upgrade'), name='grant_one_renewal_per_term')],
            },
        ),
        migrations.CreateModel(
            name='GrantDraw',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('grant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='draws', to='credits.grant')),
                ('entry', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='draws', to='credits.ledgerentry')),
            ],
            options={
                'indexes': [models.Index(fields=['grant', '-id'], name='grantdraw_newest_first')],
                'constraints': [models.UniqueConstraint(models.F('entry'), models.F('grant'), name='grantdraw_one_per_grant'), models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='grantdraw_amount_not_zero')],
            },
        ),
        migrations.CreateModel(
            name='Reference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('namespace', models.CharField(choices=[('received', 'Received'), ('allocated', 'Allocated'), ('taken_back', 'Taken Back')], max_length=10)),
                ('text', models.CharField(max_length=255)),
                ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='current_reference', to='credits.ledgerentry')),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='references', to='credits.wallet')),
            ],
            options={
                'indexes': [models.Index(fields=['text'], name='reference_by_text')],
                'constraints': [models.UniqueConstraint(fields=('wallet', 'namespace', 'text'), name='reference_means_one_entry'), models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='reference_has_a_text'), models.CheckConstraint(condition=models.Q(('namespace__in', ['received', 'allocated', 'taken_back'])), name='reference_namespace_known')],
            },
        ),
        migrations.CreateModel(
            name='ReferenceMove',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('before', models.CharField(blank=True, max_length=255)),
                ('after', models.CharField(max_length=255)),
                ('reason', models.CharField(max_length=500)),
                ('performed_by', models.CharField(max_length=200)),
                ('moved_at', models.DateTimeField()),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reference_moves', to='credits.ledgerentry')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('after', ''), _negated=True), name='referencemove_has_a_text')],
            },
        ),
        migrations.CreateModel(
            name='StatusChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('active', 'Active'), ('suspended', 'Suspended'), ('archived', 'Archived')], max_length=9)),
                ('changed_at', models.DateTimeField()),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='status_changes', to='credits.wallet')),
            ],
            options={
                'indexes': [models.Index(fields=['wallet', 'changed_at'], name='statuschange_as_of')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['active', 'suspended', 'archived'])), name='statuschange_status_known')],
            },
        ),
        migrations.CreateModel(
            name='UsageCounter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField()),
                ('resource_type', models.CharField(default='', max_length=20)),
                ('resource_id', models.CharField(default='', max_length=128)),
                ('used', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('reserved', credits.models.fields.AmountField(decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('free_used', credits.models.fields.AmountField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('free_reserved', credits.models.fields.AmountField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), max_digits=24)),
                ('actor', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='organizations.actor')),
                ('group', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='organizations.group')),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='credits.wallet')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='usagecounter_of_group')],
                'constraints': [models.UniqueConstraint(fields=('wallet', 'month', 'actor', 'group', 'resource_type', 'resource_id'), name='usagecounter_one_per_subject', nulls_distinct=False), models.CheckConstraint(condition=models.Func('month', 'actor', 'group', 'resource_type', 'resource_id', 'used', 'reserved', 'free_used', 'free_reserved', function='credits_usagecounter_rules_1', output_field=models.BooleanField()), name='usagecounter_rules')],
            },
        ),
    ]
