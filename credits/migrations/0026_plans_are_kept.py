"""The admission keeps the plans of its statements. With the values of one call some look cheaper, so PostgreSQL planned them anew each time."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("credits", "0025_what_a_credit_is")]
    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION credits_hold_2 SET plan_cache_mode = force_generic_plan",
            "ALTER FUNCTION credits_hold_2 RESET plan_cache_mode",
        ),
    ]
