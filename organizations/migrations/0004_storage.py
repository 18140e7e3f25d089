"""How rows are kept: what needs no log, and no index that nobody asks.

The counts of requests are unlogged: after a crash everybody begins a new minute. Django makes an index for `LIKE` of every name that is a
primary key; nobody looks for the beginning of these, and each costs every write.
"""

from django.db import migrations

FOR_LIKE = {
    "organizations_ratecount_name_33acac8f_like": "organizations_ratecount (name varchar_pattern_ops)",
    "organizations_tick_task_0dd599aa_like": "organizations_tick (task varchar_pattern_ops)",
}


class Migration(migrations.Migration):
    dependencies = [("organizations", "0003_functions")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE organizations_ratecount SET UNLOGGED",
            "ALTER TABLE organizations_ratecount SET LOGGED",
        ),
        *[
            migrations.RunSQL(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {columns}")
            for name, columns in FOR_LIKE.items()
        ],
    ]
