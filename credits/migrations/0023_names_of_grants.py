"""Grants get a name and a category, and may begin later. The function that writes entries writes these too. See `sql/`."""

from pathlib import Path

import credits.models.fields
import django.db.models.deletion
import organizations.ids
from django.db import migrations, models


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


# Where nobody said a category. The rest is paid for, as the column has it.
CATEGORIES = [
    "UPDATE credits_grant SET category = 'promotional' WHERE source = 'grant'",
    "UPDATE credits_grant SET category = 'correction' WHERE source = 'adjustment'",
]
FIXED = "id, wallet_id, entry_id, source, amount, priority, expires_at, term_starts_at, seat, upgrade, created_at"
GRANT_IS_FIXED = """CREATE TRIGGER grant_is_fixed BEFORE UPDATE OF {columns}
    ON credits_grant FOR EACH ROW EXECUTE FUNCTION credits_grant_is_fixed()"""
FORWARD = [
    function("credits_post_2"),
    "DROP FUNCTION credits_post_1",
    "DROP TRIGGER grant_is_fixed ON credits_grant",
    GRANT_IS_FIXED.format(columns=f"{FIXED}, name, category"),
    function("credits_pendinggrant_is_fixed"),
    """CREATE TRIGGER pendinggrant_is_fixed BEFORE DELETE OR UPDATE OF id, wallet_id, amount, name, category, priority, effective_at,
    expires_at, reference, reason, performed_by, created_at ON credits_pendinggrant
    FOR EACH ROW EXECUTE FUNCTION credits_pendinggrant_is_fixed()""",
    """CREATE TRIGGER pendinggrant_ends_once BEFORE UPDATE ON credits_pendinggrant
    FOR EACH ROW WHEN (OLD.begun_at IS NOT NULL OR OLD.cancelled_at IS NOT NULL) EXECUTE FUNCTION credits_pendinggrant_is_fixed()""",
    """CREATE TRIGGER pendinggrant_no_truncate BEFORE TRUNCATE ON credits_pendinggrant
    FOR EACH STATEMENT EXECUTE FUNCTION credits_pendinggrant_is_fixed()""",
]
BACKWARD = [
    "DROP TRIGGER pendinggrant_no_truncate ON credits_pendinggrant",
    "DROP TRIGGER pendinggrant_ends_once ON credits_pendinggrant",
    "DROP TRIGGER pendinggrant_is_fixed ON credits_pendinggrant",
    "DROP FUNCTION credits_pendinggrant_is_fixed",
    "DROP TRIGGER grant_is_fixed ON credits_grant",
    GRANT_IS_FIXED.format(columns=FIXED),
    function("credits_post_1"),
    "DROP FUNCTION credits_post_2",
]


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0022_why_rules_change'),
    ]

    operations = [
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
        ),
        migrations.AddField(
            model_name='grant',
            name='category',
            field=models.CharField(choices=[('paid', 'Paid'), ('promotional', 'Promotional'), ('goodwill', 'Goodwill'), ('correction', 'Correction')], db_default='paid', max_length=11),
        ),
        migrations.AddField(
            model_name='grant',
            name='name',
            field=models.CharField(blank=True, db_default='', default='', max_length=128),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['paid', 'promotional', 'goodwill', 'correction'])), name='grant_category_known'),
        ),
        migrations.AddIndex(
            model_name='pendinggrant',
            index=models.Index(condition=models.Q(('begun_at', None), ('cancelled_at', None)), fields=['wallet', 'effective_at'], name='pendinggrant_coming'),
        ),
        migrations.AddIndex(
            model_name='pendinggrant',
            index=models.Index(fields=['wallet', '-id'], name='pendinggrant_of_wallet'),
        ),
        migrations.AddConstraint(
            model_name='pendinggrant',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='pendinggrant_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='pendinggrant',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at', None), ('expires_at__gt', models.F('effective_at')), _connector='OR'), name='pendinggrant_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='pendinggrant',
            constraint=models.CheckConstraint(condition=models.Q(('begun_at', None), ('cancelled_at', None), _connector='OR'), name='pendinggrant_began_or_was_cancelled'),
        ),
        migrations.AddConstraint(
            model_name='pendinggrant',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['paid', 'promotional', 'goodwill', 'correction'])), name='pendinggrant_category_known'),
        ),
        migrations.AddConstraint(
            model_name='pendinggrant',
            constraint=models.UniqueConstraint(condition=models.Q(('reference', ''), _negated=True), fields=('wallet', 'reference'), name='pendinggrant_one_per_reference'),
        ),
        migrations.RunSQL(CATEGORIES, migrations.RunSQL.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
