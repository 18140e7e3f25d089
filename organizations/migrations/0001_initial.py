"""The tables of organizations, people, keys, jobs and what staff do with them."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import organizations.history
import organizations.ids
import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Actor',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('user', 'User'), ('agent', 'Agent')], default='user', max_length=5)),
                ('name', models.CharField(max_length=128)),
                ('email', models.EmailField(blank=True, max_length=254, null=True)),
                ('external_id', models.CharField(blank=True, max_length=128, null=True)),
                ('active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
            ],
            options={
                'permissions': [('erase', 'Erase a person for good')],
            },
        ),
        migrations.CreateModel(
            name='Group',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('team', 'Team'), ('entity', 'Entity')], max_length=6)),
                ('key', models.CharField(max_length=128)),
                ('name', models.CharField(max_length=128)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='RateCount',
            fields=[
                ('name', models.CharField(max_length=120, primary_key=True, serialize=False)),
                ('count', models.BigIntegerField()),
                ('ends_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Tick',
            fields=[
                ('task', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('ticked_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120)),
                ('env', models.CharField(choices=[('live', 'Live'), ('test', 'Test')], default='live', max_length=4)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, size=None)),
                ('rate_limit_tier', models.CharField(choices=[('standard', 'Standard'), ('pilot', 'Pilot'), ('partner', 'Partner'), ('sandbox', 'Sandbox')], default='standard', max_length=8)),
                ('secret_hash', models.BinaryField(max_length=32)),
                ('hashed_under', models.CharField(blank=True, default='', editable=False, help_text="Which of the server's secrets the hash was made with, by its name in `manage.py key_secrets`.", max_length=8)),
                ('minted_by', models.CharField(blank=True, editable=False, help_text='The key (key_…) or the person of the staff (staff:…) who was told its secret.', max_length=160)),
                ('created_at', models.DateTimeField(editable=False)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('rotated_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('grace_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('actor', models.ForeignKey(blank=True, help_text="A personal key: it is this actor, and opens only what is the actor's own.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='api_keys', to='organizations.actor')),
                ('origin', models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.apikey')),
                ('superseded_by', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='supersedes', to='organizations.apikey')),
            ],
        ),
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
            name='ClockMark',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('believed_at', models.DateTimeField()),
                ('said_at', models.DateTimeField()),
                ('counted', models.FloatField()),
                ('machine', models.CharField(max_length=100)),
                ('decisions', models.IntegerField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='clockmark_only_one')],
            },
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=40)),
                ('due_at', models.DateTimeField(verbose_name='due by')),
                ('total', models.PositiveBigIntegerField()),
                ('done', models.PositiveBigIntegerField(default=0)),
                ('failed', models.PositiveBigIntegerField(default=0)),
                ('cursor', models.UUIDField(null=True)),
                ('is_handed_out', models.BooleanField(default=False)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['-started_at'], name='job_newest_first'), models.Index(fields=['kind', '-started_at'], name='job_newest_of_kind')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('finished_at__isnull', True)), fields=('kind',), name='job_one_open_per_kind'), models.CheckConstraint(condition=models.Q(('finished_at__isnull', True), ('finished_at__gte', models.F('started_at')), _connector='OR'), name='job_ends_after_it_starts')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('team', 'Team'), ('entity', 'Entity')], max_length=6)),
                ('actor', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='organizations.actor')),
                ('group', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='organizations.group')),
            ],
        ),
        migrations.AddField(
            model_name='group',
            name='members',
            field=models.ManyToManyField(related_name='groups', through='organizations.Membership', to='organizations.actor'),
        ),
        migrations.CreateModel(
            name='Organization',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('env', models.CharField(choices=[('live', 'Live'), ('test', 'Test')], default='live', editable=False, max_length=4)),
                ('name', models.CharField(max_length=128)),
                ('status', models.CharField(choices=[('active', 'Active'), ('suspended', 'Suspended'), ('archived', 'Archived')], default='active', max_length=9)),
                ('billing_email', models.EmailField(blank=True, max_length=254, null=True)),
                ('external_id', models.CharField(blank=True, max_length=128, null=True)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('ai_enabled', models.BooleanField(default=True, verbose_name='AI enabled')),
                ('entitled_until', models.DateTimeField(blank=True, help_text='Empty: no end.', null=True)),
                ('byok', models.BooleanField(default=False, help_text='Its AI work then costs no credits.', verbose_name='own provider keys')),
                ('enabled_providers', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, help_text='Separated by commas. Empty: all of them.', null=True, size=None)),
                ('archived_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
                ('parent', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='organizations.organization')),
                ('sandbox_of', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sandboxes', to='organizations.organization')),
            ],
            options={
                'permissions': [('suspend', 'Suspend and resume an organization')],
            },
        ),
        migrations.AddField(
            model_name='membership',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.organization'),
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(db_default='organization', default='organization', help_text="Whose name it is: the organization's, the staff's, or that of a personal key.", max_length=40)),
                ('key', models.CharField(max_length=255)),
                ('fingerprint', models.BinaryField(max_length=32)),
                ('status_code', models.PositiveSmallIntegerField(null=True)),
                ('format', models.PositiveSmallIntegerField(db_default=0, default=0)),
                ('body', models.TextField(null=True)),
                ('created_at', models.DateTimeField()),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='idempotency_keys', to='organizations.organization')),
            ],
        ),
        migrations.CreateModel(
            name='HistoricalUsageProfile',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('id', models.UUIDField(db_index=True, default=organizations.ids.new_id, editable=False)),
                ('name', models.CharField(max_length=120)),
                ('slug', models.CharField(max_length=80)),
                ('description', models.CharField(blank=True, max_length=500)),
                ('credit_cap_per_month', models.DecimalField(blank=True, decimal_places=6, help_text='For each actor. Empty: no cap. 0: nothing may be spent.', max_digits=24, null=True)),
                ('allowed_model_tiers', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('everyday', 'Everyday'), ('advanced', 'Advanced'), ('strategic', 'Strategic')], max_length=10), blank=True, default=list, size=None)),
                ('features', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, size=None)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, help_text="Empty: one of the system's, for everybody.", null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'historical usage profile',
                'verbose_name_plural': 'historical usage profiles',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalMembership',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('kind', models.CharField(choices=[('team', 'Team'), ('entity', 'Entity')], max_length=6)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('actor', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.actor')),
                ('group', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.group')),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'historical membership',
                'verbose_name_plural': 'historical memberships',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalApiKey',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('id', models.UUIDField(db_index=True, default=organizations.ids.new_id, editable=False)),
                ('name', models.CharField(max_length=120)),
                ('env', models.CharField(choices=[('live', 'Live'), ('test', 'Test')], default='live', max_length=4)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, size=None)),
                ('rate_limit_tier', models.CharField(choices=[('standard', 'Standard'), ('pilot', 'Pilot'), ('partner', 'Partner'), ('sandbox', 'Sandbox')], default='standard', max_length=8)),
                ('minted_by', models.CharField(blank=True, editable=False, help_text='The key (key_…) or the person of the staff (staff:…) who was told its secret.', max_length=160)),
                ('created_at', models.DateTimeField(editable=False)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('rotated_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('grace_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('actor', models.ForeignKey(blank=True, db_constraint=False, help_text="A personal key: it is this actor, and opens only what is the actor's own.", null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.actor')),
                ('origin', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.apikey')),
                ('superseded_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.apikey')),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'historical api key',
                'verbose_name_plural': 'historical api keys',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddField(
            model_name='group',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='groups', to='organizations.organization'),
        ),
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('check_name', models.CharField(max_length=200, verbose_name='check')),
                ('subject', models.CharField(max_length=200)),
                ('detail', models.TextField()),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='organizations.job')),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.organization')),
            ],
        ),
        migrations.CreateModel(
            name='Failure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('attempts', models.PositiveSmallIntegerField(default=1)),
                ('error', models.TextField()),
                ('first_failed_at', models.DateTimeField()),
                ('last_failed_at', models.DateTimeField()),
                ('next_try_at', models.DateTimeField(null=True)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='failures', to='organizations.job')),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='failures', to='organizations.organization')),
            ],
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
        ),
        migrations.AddField(
            model_name='apikey',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='api_keys', to='organizations.organization'),
        ),
        migrations.AddField(
            model_name='actor',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='actors', to='organizations.organization'),
        ),
        migrations.CreateModel(
            name='Proposal',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('action', models.CharField(max_length=40)),
                ('payload', models.JSONField()),
                ('digest', models.CharField(max_length=64)),
                ('amount', models.DecimalField(decimal_places=6, max_digits=24)),
                ('reason', models.CharField(max_length=300)),
                ('proposed_by', models.CharField(max_length=150)),
                ('proposed_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('approved', 'Approved'), ('refused', 'Refused')], default='waiting', max_length=8)),
                ('decided_by', models.CharField(max_length=150, null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, max_length=500)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='proposals', to='organizations.organization')),
            ],
            options={
                'permissions': [('approve', 'Approve what another person proposes, where one may do it oneself')],
            },
        ),
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('list', models.CharField(max_length=100)),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(max_length=2000)),
                ('owner', models.CharField(max_length=150)),
                ('is_shared', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'permissions': [('share_view', 'Share views of lists with everybody, and delete shared ones')],
                'constraints': [models.UniqueConstraint(fields=('list', 'owner', 'name'), name='savedview_one_of_a_name'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='savedview_has_a_name')],
            },
        ),
        migrations.CreateModel(
            name='UsageProfile',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120)),
                ('slug', models.CharField(max_length=80)),
                ('description', models.CharField(blank=True, max_length=500)),
                ('credit_cap_per_month', models.DecimalField(blank=True, decimal_places=6, help_text='For each actor. Empty: no cap. 0: nothing may be spent.', max_digits=24, null=True)),
                ('allowed_model_tiers', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('everyday', 'Everyday'), ('advanced', 'Advanced'), ('strategic', 'Strategic')], max_length=10), blank=True, default=list, size=None)),
                ('features', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, size=None)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
                ('organization', models.ForeignKey(blank=True, db_index=False, help_text="Empty: one of the system's, for everybody.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='usage_profiles', to='organizations.organization')),
            ],
        ),
        migrations.AddField(
            model_name='organization',
            name='default_profile',
            field=models.ForeignKey(blank=True, help_text='Of actors without a profile of their own. Empty: Standard.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='default_of', to='organizations.usageprofile'),
        ),
        migrations.CreateModel(
            name='HistoricalOrganization',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('id', models.UUIDField(db_index=True, default=organizations.ids.new_id, editable=False)),
                ('env', models.CharField(choices=[('live', 'Live'), ('test', 'Test')], default='live', editable=False, max_length=4)),
                ('name', models.CharField(max_length=128)),
                ('status', models.CharField(choices=[('active', 'Active'), ('suspended', 'Suspended'), ('archived', 'Archived')], default='active', max_length=9)),
                ('billing_email', models.EmailField(blank=True, max_length=254, null=True)),
                ('external_id', models.CharField(blank=True, max_length=128, null=True)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('ai_enabled', models.BooleanField(default=True, verbose_name='AI enabled')),
                ('entitled_until', models.DateTimeField(blank=True, help_text='Empty: no end.', null=True)),
                ('byok', models.BooleanField(default=False, help_text='Its AI work then costs no credits.', verbose_name='own provider keys')),
                ('enabled_providers', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, help_text='Separated by commas. Empty: all of them.', null=True, size=None)),
                ('archived_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(editable=False)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('parent', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
                ('sandbox_of', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
                ('default_profile', models.ForeignKey(blank=True, db_constraint=False, help_text='Of actors without a profile of their own. Empty: Standard.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.usageprofile')),
            ],
            options={
                'verbose_name': 'historical organization',
                'verbose_name_plural': 'historical organizations',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalGroup',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('id', models.UUIDField(db_index=True, default=organizations.ids.new_id, editable=False)),
                ('kind', models.CharField(choices=[('team', 'Team'), ('entity', 'Entity')], max_length=6)),
                ('key', models.CharField(max_length=128)),
                ('name', models.CharField(max_length=128)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
                ('profile', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.usageprofile')),
            ],
            options={
                'verbose_name': 'historical group',
                'verbose_name_plural': 'historical groups',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalActor',
            fields=[
                ('history_why', models.CharField(blank=True, db_default='', default=organizations.history.why, max_length=300)),
                ('id', models.UUIDField(db_index=True, default=organizations.ids.new_id, editable=False)),
                ('kind', models.CharField(choices=[('user', 'User'), ('agent', 'Agent')], default='user', max_length=5)),
                ('name', models.CharField(max_length=128)),
                ('email', models.EmailField(blank=True, max_length=254, null=True)),
                ('external_id', models.CharField(blank=True, max_length=128, null=True)),
                ('active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(editable=False)),
                ('updated_at', models.DateTimeField(editable=False)),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('organization', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.organization')),
                ('profile', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='organizations.usageprofile')),
            ],
            options={
                'verbose_name': 'historical actor',
                'verbose_name_plural': 'historical actors',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddField(
            model_name='group',
            name='profile',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='groups', to='organizations.usageprofile'),
        ),
        migrations.AddField(
            model_name='actor',
            name='profile',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='actors', to='organizations.usageprofile'),
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('after', models.UUIDField(null=True)),
                ('until', models.UUIDField(null=True)),
                ('size', models.PositiveIntegerField()),
                ('failed', models.PositiveIntegerField(default=0)),
                ('place', models.JSONField(null=True)),
                ('is_one_by_one', models.BooleanField(default=False)),
                ('worker', models.CharField(max_length=200)),
                ('token', models.UUIDField(default=organizations.ids.new_id)),
                ('expires_at', models.DateTimeField()),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='leases', to='organizations.job')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('job', 'until'), name='lease_one_per_batch', nulls_distinct=False)],
            },
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(models.F('group'), models.F('actor'), name='membership_once'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'entity')), fields=('actor',), name='membership_one_entity_group'),
        ),
        migrations.AddIndex(
            model_name='idempotencykey',
            index=models.Index(models.F('created_at'), name='idempotency_key_age'),
        ),
        migrations.AddConstraint(
            model_name='idempotencykey',
            constraint=models.UniqueConstraint(models.F('organization'), models.F('owner'), models.F('key'), name='idempotency_key_once_per_owner'),
        ),
        migrations.AddConstraint(
            model_name='idempotencykey',
            constraint=models.CheckConstraint(condition=models.Q(('owner__in', ['organization', 'staff']), ('owner__startswith', 'key_'), _connector='OR'), name='idempotency_owner_known'),
        ),
        migrations.AddConstraint(
            model_name='idempotencykey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('body__isnull', True), ('status_code__isnull', True)), models.Q(('body__isnull', False), ('status_code__isnull', False)), _connector='OR'), name='idempotency_answer_is_whole'),
        ),
        migrations.AddIndex(
            model_name='historicalusageprofile',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='usageprofile_history'),
        ),
        migrations.AddIndex(
            model_name='historicalapikey',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='apikey_history'),
        ),
        migrations.AddConstraint(
            model_name='failure',
            constraint=models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True)), fields=('kind', 'organization'), name='failure_one_open_per_organization', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='bulkitem',
            index=models.Index(condition=models.Q(('rehearsed_at', None)), fields=['organization'], name='bulkitem_to_rehearse'),
        ),
        migrations.AddIndex(
            model_name='bulkitem',
            index=models.Index(condition=models.Q(('finished_at', None), ('is_to_do', True)), fields=['organization'], name='bulkitem_to_do'),
        ),
        migrations.AddConstraint(
            model_name='bulkitem',
            constraint=models.UniqueConstraint(fields=('bulk_id', 'organization', 'actor'), name='bulkitem_one_of_each', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='bulkitem',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'done', 'skipped', 'failed'])), name='bulkitem_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='bulkitem',
            constraint=models.CheckConstraint(condition=models.Q(('effect__in', ['', 'unblocks', 'blocks'])), name='bulkitem_effect_known'),
        ),
        migrations.AddConstraint(
            model_name='bulkitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('finished_at__isnull', False), ('is_to_do', True)), _connector='OR'), name='bulkitem_finished_with_an_outcome'),
        ),
        migrations.AddIndex(
            model_name='apikey',
            index=models.Index(fields=['organization', '-id'], name='apikey_of_organization'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('env__in', ['live', 'test'])), name='apikey_env_known'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('rate_limit_tier__in', ['standard', 'pilot', 'partner', 'sandbox'])), name='apikey_tier_known'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('env', 'test'), ('rate_limit_tier', 'sandbox')), models.Q(('env', 'live'), models.Q(('rate_limit_tier', 'sandbox'), _negated=True)), _connector='OR'), name='apikey_sandbox_tier_for_test_keys'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('grace_until__isnull', True), ('rotated_at__isnull', True), ('superseded_by__isnull', True)), models.Q(('grace_until__isnull', False), ('rotated_at__isnull', False), ('superseded_by__isnull', False)), _connector='OR'), name='apikey_superseded_means_rotated'),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'approved', 'refused'])), name='proposal_state_known'),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('state', 'waiting')), models.Q(models.Q(('state', 'waiting'), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='proposal_decided_or_waiting'),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), models.Q(('decided_by', models.F('proposed_by')), _negated=True), _connector='OR'), name='proposal_approved_by_another'),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), ('decided_at__lt', models.F('expires_at')), _connector='OR'), name='proposal_approved_in_time'),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='proposal_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('proposed_at'))), name='proposal_expires_later'),
        ),
        migrations.AddConstraint(
            model_name='usageprofile',
            constraint=models.UniqueConstraint(fields=('organization', 'slug'), name='usageprofile_one_per_slug', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='usageprofile',
            constraint=models.CheckConstraint(condition=models.Q(('slug__regex', '^[a-z][a-z0-9-]*$')), name='usageprofile_slug_form'),
        ),
        migrations.AddConstraint(
            model_name='usageprofile',
            constraint=models.CheckConstraint(condition=models.Q(('credit_cap_per_month__gte', 0)), name='usageprofile_cap_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='usageprofile',
            constraint=models.CheckConstraint(condition=models.Q(('allowed_model_tiers__contained_by', ['everyday', 'advanced', 'strategic'])), name='usageprofile_tiers_known'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'billing_email', 'external_id', config='simple'), name='organization_words'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=models.Index(fields=['parent', '-id'], name='organization_children'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=models.Index(fields=['parent', 'status', '-id'], name='organization_by_status'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=models.Index(condition=models.Q(('external_id__isnull', False)), fields=['parent', 'external_id', '-id'], name='organization_by_external_id'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['active', 'suspended', 'archived'])), name='organization_status_known'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.CheckConstraint(condition=models.Q(('parent', models.F('id')), _negated=True), name='organization_not_its_own_parent'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('archived_at__isnull', False), ('status', 'archived')), models.Q(models.Q(('status', 'archived'), _negated=True), ('archived_at__isnull', True)), _connector='OR'), name='organization_archived_at_with_status'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='organization_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('env', 'live'), ('sandbox_of__isnull', True)), models.Q(models.Q(('sandbox_of__isnull', False), ('parent__isnull', False), _connector='OR'), ('env', 'test')), _connector='OR'), name='organization_env_as_its_place'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'archived'), _negated=True), fields=('sandbox_of',), name='organization_one_sandbox'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.UniqueConstraint(fields=('id', 'env'), name='organization_of_env'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id__isnull', False), models.Q(('status', 'archived'), _negated=True)), fields=('parent', 'env', 'external_id'), name='organization_one_per_external_id', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='historicalgroup',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='group_history'),
        ),
        migrations.AddIndex(
            model_name='historicalactor',
            index=models.Index(fields=['organization', '-history_date', '-history_id'], name='actor_history'),
        ),
        migrations.AddIndex(
            model_name='group',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'key', config='simple'), name='group_words'),
        ),
        migrations.AddIndex(
            model_name='group',
            index=models.Index(fields=['organization', '-id'], name='group_newest_first'),
        ),
        migrations.AddConstraint(
            model_name='group',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['team', 'entity'])), name='group_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='group',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('key', ''), _negated=True), models.Q(('name', ''), _negated=True)), name='group_has_a_key_and_a_name'),
        ),
        migrations.AddConstraint(
            model_name='group',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'team'), ('profile', None), _connector='OR'), name='group_profile_is_for_teams'),
        ),
        migrations.AddConstraint(
            model_name='group',
            constraint=models.UniqueConstraint(fields=('organization', 'kind', 'key'), name='group_one_per_key'),
        ),
        migrations.AddConstraint(
            model_name='group',
            constraint=models.UniqueConstraint(fields=('id', 'organization', 'kind'), name='group_of_organization'),
        ),
        migrations.AddIndex(
            model_name='actor',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'email', 'external_id', config='simple'), name='actor_words'),
        ),
        migrations.AddIndex(
            model_name='actor',
            index=models.Index(fields=['organization', '-id'], name='actor_newest_first'),
        ),
        migrations.AddConstraint(
            model_name='actor',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['user', 'agent'])), name='actor_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='actor',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='actor_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='actor',
            constraint=models.UniqueConstraint(fields=('organization', 'external_id'), name='actor_one_per_external_id'),
        ),
        migrations.AddConstraint(
            model_name='actor',
            constraint=models.UniqueConstraint(fields=('id', 'organization'), name='actor_of_organization'),
        ),
    ]
