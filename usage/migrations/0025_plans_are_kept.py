"""The charge of a hold keeps the plans of its statements, and of those that it calls for: see credits/migrations/0026_plans_are_kept.py."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("usage", "0024_who_used_most")]
    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION usage_settle_3 SET plan_cache_mode = force_generic_plan",
            "ALTER FUNCTION usage_settle_3 RESET plan_cache_mode",
        ),
    ]
