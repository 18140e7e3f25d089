import credits.models.fields
import django.contrib.postgres.fields
import django.db.models.deletion
import simple_history.models
import usage.models
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('credits', '0001_initial'),
        ('organizations', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Events take their position from it by default, so it comes before their table.
        migrations.RunSQL(['CREATE SEQUENCE usage_event_position'], ['DROP SEQUENCE usage_event_position']),
        migrations.CreateModel(
            name='AIModel',
            fields=[
                ('slug', models.CharField(max_length=80, primary_key=True, serialize=False, verbose_name='id')),
                ('name', models.CharField(max_length=120)),
                ('provider', models.CharField(max_length=40)),
                ('tier', models.CharField(choices=[('everyday', 'Everyday'), ('advanced', 'Advanced'), ('strategic', 'Strategic')], max_length=10)),
                ('is_fallback', models.BooleanField(default=False, help_text="Its provider's: used at a downgrade, and when the pool is empty.")),
            ],
            options={
                'verbose_name': 'AI model',
                'constraints': [models.CheckConstraint(condition=models.Q(('tier__in', ['everyday', 'advanced', 'strategic'])), name='aimodel_tier_known'), models.UniqueConstraint(condition=models.Q(('is_fallback', True)), fields=('provider',), name='aimodel_one_fallback_per_provider')],
            },
        ),
        migrations.CreateModel(
            name='Rate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rates', to='usage.aimodel')),
                ('starts_at', models.DateTimeField()),
                ('prompt_tokens_from', models.PositiveIntegerField(default=0)),
                ('input', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('cached_input', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: as input.', max_digits=24, null=True)),
                ('cache_write', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: as input.', max_digits=24, null=True)),
                ('output', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('reasoning', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: as output.', max_digits=24, null=True)),
                ('per_request', credits.models.fields.AmountField(decimal_places=6, default=0, max_digits=24)),
                ('per_unit', credits.models.fields.AmountField(decimal_places=6, default=0, max_digits=24)),
                ('input_includes_cached', models.BooleanField(default=False, help_text="The provider's input count contains the cached tokens.")),
                ('output_includes_reasoning', models.BooleanField(default=True, help_text="The provider's output count contains the reasoning tokens.")),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model', 'starts_at', 'prompt_tokens_from'), name='rate_one_per_band'), models.CheckConstraint(condition=models.Q(('cache_write__gte', 0), ('cached_input__gte', 0), ('input__gte', 0), ('output__gte', 0), ('per_request__gte', 0), ('per_unit__gte', 0), ('reasoning__gte', 0)), name='rate_prices_not_negative'), models.CheckConstraint(condition=models.Q(models.Q(('input__isnull', False), ('output__isnull', False)), models.Q(('cache_write__isnull', True), ('cached_input__isnull', True), ('input__isnull', True), ('output__isnull', True), ('reasoning__isnull', True)), _connector='OR'), name='rate_priced_as_a_whole')],
            },
        ),
        migrations.CreateModel(
            name='Thresholds',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='thresholds', serialize=False, to='organizations.organization')),
                ('downgrade', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text="From here on the provider's fallback does the work.", max_digits=24, null=True)),
                ('shutoff', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='From here on nothing is admitted.', max_digits=24, null=True)),
            ],
            options={
                'verbose_name_plural': 'thresholds',
                'constraints': [models.CheckConstraint(condition=models.Q(('downgrade__gte', 0), ('shutoff__gte', 0)), name='thresholds_not_negative'), models.CheckConstraint(condition=models.Q(('downgrade__lte', models.F('shutoff'))), name='thresholds_downgrade_before_shutoff', violation_error_message='The downgrade threshold may not be above the shutoff.')],
            },
        ),
        migrations.CreateModel(
            name='Limit',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='limits', to='organizations.organization')),
                ('scope', models.CharField(choices=[('actor', 'Actor'), ('group', 'Group'), ('resource', 'Resource'), ('actor_default', 'Actor Default'), ('team_default', 'Team Default'), ('entity_default', 'Entity Default')], max_length=14)),
                ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='limits', to='organizations.actor')),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='limits', to='organizations.group')),
                ('resource_type', models.CharField(blank=True, default='', max_length=20)),
                ('resource_id', models.CharField(blank=True, default='', max_length=128)),
                ('cap', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: no limit. 0: nothing.', max_digits=24, null=True)),
                ('slug', models.CharField(blank=True, max_length=80, null=True)),
                ('owner_id', models.CharField(blank=True, max_length=128, null=True)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('organization', 'scope', 'actor', 'group', 'resource_type', 'resource_id'), name='limit_one_per_subject', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('actor__isnull', False), ('group', None), ('resource_type', ''), ('scope', 'actor')), models.Q(('actor', None), ('group__isnull', False), ('resource_type', ''), ('scope', 'group')), models.Q(('actor', None), ('group', None), ('scope', 'resource'), models.Q(('resource_type', ''), _negated=True)), models.Q(('actor', None), ('group', None), ('resource_type', ''), ('scope__in', ['actor_default', 'team_default', 'entity_default'])), _connector='OR'), name='limit_subject_fits_its_scope'), models.CheckConstraint(condition=models.Q(models.Q(('resource_id', ''), ('resource_type', '')), models.Q(models.Q(('resource_type', ''), _negated=True), models.Q(('resource_id', ''), _negated=True)), _connector='OR'), name='limit_resource_as_a_whole'), models.CheckConstraint(condition=models.Q(('cap__gte', 0)), name='limit_cap_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='UsageEvent',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='organizations.organization')),
                ('source', models.CharField(max_length=64)),
                ('external_id', models.CharField(max_length=128)),
                ('reservation', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_event', to='credits.reservation')),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='credits.ledgerentry')),
                ('corrects', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrected_by', to='usage.usageevent')),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='organizations.actor')),
                ('group', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='organizations.group')),
                ('model', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_events', to='usage.aimodel')),
                ('work_type', models.CharField(default='ai', max_length=20)),
                ('resource_type', models.CharField(default='', max_length=20)),
                ('resource_id', models.CharField(default='', max_length=128)),
                ('input_tokens', models.BigIntegerField(null=True)),
                ('cached_input_tokens', models.BigIntegerField(null=True)),
                ('cache_write_tokens', models.BigIntegerField(null=True)),
                ('output_tokens', models.BigIntegerField(null=True)),
                ('reasoning_tokens', models.BigIntegerField(null=True)),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('list_credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('rated_at', models.DateTimeField(null=True)),
                ('month', models.DateField()),
                ('counter_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('byok', models.BooleanField(default=False)),
                ('late', models.BooleanField(default=False)),
                ('note', models.CharField(db_default='', default='', max_length=200)),
                ('metadata', models.JSONField(default=dict)),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('position', models.BigIntegerField(db_default=usage.models.NextPosition(), editable=False)),
            ],
            options={
                'indexes': [models.Index(fields=['organization', '-id'], name='usageevent_newest_first'), models.Index(fields=['organization', 'position'], name='usageevent_by_position')],
                'constraints': [models.UniqueConstraint(fields=('organization', 'source', 'external_id'), name='usageevent_once_for_ever'), models.CheckConstraint(condition=models.Q(('credits__gte', 0), models.Q(('credits__lt', 0), ('source__in', ['forgiven', 'correction'])), _connector='OR'), name='usageevent_credits_not_negative'), models.CheckConstraint(condition=models.Q(models.Q(('corrects__isnull', False), ('credits__lt', 0), ('source', 'correction')), models.Q(('corrects__isnull', False), ('source', 'rerated')), models.Q(models.Q(('source__in', ['correction', 'rerated']), _negated=True), ('corrects__isnull', True)), _connector='OR'), name='usageevent_corrects_by_source'), models.UniqueConstraint(condition=models.Q(('corrects__isnull', False)), fields=('corrects', 'source'), name='usageevent_corrected_once'), models.CheckConstraint(condition=models.Q(('byok', False), ('credits', 0), _connector='OR'), name='usageevent_byok_is_free')],
            },
        ),
        migrations.CreateModel(
            name='UsageRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rollups', to='organizations.organization')),
                ('day', models.DateField()),
                ('work_type', models.CharField(max_length=20)),
                ('resource_type', models.CharField(default='', max_length=20)),
                ('resource_id', models.CharField(default='', max_length=128)),
                ('model', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.aimodel')),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.actor')),
                ('credits', credits.models.fields.AmountField(decimal_places=6, max_digits=24)),
                ('events', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('organization', 'day', 'work_type', 'resource_type', 'resource_id', 'model', 'actor'), name='usagerollup_one_per_day', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='RollupMark',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='rollup_mark', serialize=False, to='organizations.organization')),
                ('position', models.BigIntegerField(default=0)),
                ('rolled_up_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Denial',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='denials', to='organizations.organization')),
                ('actor', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='denials', to='organizations.actor')),
                ('minute', models.DateTimeField()),
                ('reason', models.CharField(max_length=40)),
                ('message', models.CharField(max_length=500)),
                ('model', models.CharField(default='', max_length=80)),
                ('needed', credits.models.fields.AmountField(decimal_places=6, max_digits=24, null=True)),
                ('limits', models.JSONField(default=list)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['created_at'], name='denial_age')],
                'constraints': [models.UniqueConstraint(fields=('organization', 'actor', 'reason', 'minute'), name='denial_one_a_minute', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='HistoricalAIModel',
            fields=[
                ('slug', models.CharField(db_index=True, max_length=80, verbose_name='id')),
                ('name', models.CharField(max_length=120)),
                ('provider', models.CharField(max_length=40)),
                ('tier', models.CharField(choices=[('everyday', 'Everyday'), ('advanced', 'Advanced'), ('strategic', 'Strategic')], max_length=10)),
                ('is_fallback', models.BooleanField(default=False, help_text="Its provider's: used at a downgrade, and when the pool is empty.")),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical AI model',
                'verbose_name_plural': 'historical AI models',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalLimit',
            fields=[
                ('id', models.UUIDField(db_index=True, default=uuid_utils.compat.uuid7, editable=False)),
                ('scope', models.CharField(choices=[('actor', 'Actor'), ('group', 'Group'), ('resource', 'Resource'), ('actor_default', 'Actor Default'), ('team_default', 'Team Default'), ('entity_default', 'Entity Default')], max_length=14)),
                ('resource_type', models.CharField(blank=True, default='', max_length=20)),
                ('resource_id', models.CharField(blank=True, default='', max_length=128)),
                ('cap', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: no limit. 0: nothing.', max_digits=24, null=True)),
                ('slug', models.CharField(blank=True, max_length=80, null=True)),
                ('owner_id', models.CharField(blank=True, max_length=128, null=True)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
                ('actor', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.actor')),
                ('group', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.group')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical limit',
                'verbose_name_plural': 'historical limits',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalRate',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('prompt_tokens_from', models.PositiveIntegerField(default=0)),
                ('input', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('cached_input', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: as input.', max_digits=24, null=True)),
                ('cache_write', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: as input.', max_digits=24, null=True)),
                ('output', credits.models.fields.AmountField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('reasoning', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='Empty: as output.', max_digits=24, null=True)),
                ('per_request', credits.models.fields.AmountField(decimal_places=6, default=0, max_digits=24)),
                ('per_unit', credits.models.fields.AmountField(decimal_places=6, default=0, max_digits=24)),
                ('input_includes_cached', models.BooleanField(default=False, help_text="The provider's input count contains the cached tokens.")),
                ('output_includes_reasoning', models.BooleanField(default=True, help_text="The provider's output count contains the reasoning tokens.")),
                ('model', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical rate',
                'verbose_name_plural': 'historical rates',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalThresholds',
            fields=[
                ('downgrade', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text="From here on the provider's fallback does the work.", max_digits=24, null=True)),
                ('shutoff', credits.models.fields.AmountField(blank=True, decimal_places=6, help_text='From here on nothing is admitted.', max_digits=24, null=True)),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical thresholds',
                'verbose_name_plural': 'historical thresholds',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
