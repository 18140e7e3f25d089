"""What a column constraint cannot say, and what the database therefore refuses whoever asks: the application, a shell, an admin with psql.

Each guard in prose first, then its SQL; the functions stand in `sql/`. One statement per entry, one subcommand per ALTER TABLE.
"""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    # What was used was used: events are never changed, deleted or truncated. Corrections are new events.
    """CREATE TRIGGER usageevent_append_only BEFORE UPDATE OR DELETE ON usage_usageevent
    FOR EACH ROW EXECUTE FUNCTION credits_append_only()""",
    """CREATE TRIGGER usageevent_no_truncate BEFORE TRUNCATE ON usage_usageevent
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only()""",
    # Whoever deletes rollups, totals or the use of a month takes the mark of their organization along: then its reports read the events, until
    # the rollups are made anew.
    function("usage_forget_mark"),
    """CREATE TRIGGER usagerollup_takes_its_mark AFTER DELETE ON usage_usagerollup
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION usage_forget_mark()""",
    """CREATE TRIGGER usagetotal_takes_its_mark AFTER DELETE ON usage_usagetotal
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION usage_forget_mark()""",
    """CREATE TRIGGER monthlyuse_takes_its_mark AFTER DELETE ON usage_monthlyuse
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION usage_forget_mark()""",
    # Changes of prices that wait for a second person stay what was proposed, and so does what was decided.
    """CREATE TRIGGER priceproposal_is_fixed BEFORE UPDATE OR DELETE ON usage_priceproposal
    FOR EACH ROW EXECUTE FUNCTION organizations_proposal_is_fixed_1()""",
]
BACKWARD = [
    "DROP TRIGGER priceproposal_is_fixed ON usage_priceproposal",
    "DROP TRIGGER monthlyuse_takes_its_mark ON usage_monthlyuse",
    "DROP TRIGGER usagetotal_takes_its_mark ON usage_usagetotal",
    "DROP TRIGGER usagerollup_takes_its_mark ON usage_usagerollup",
    "DROP FUNCTION usage_forget_mark",
    "DROP TRIGGER usageevent_no_truncate ON usage_usageevent",
    "DROP TRIGGER usageevent_append_only ON usage_usageevent",
]


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0001_initial"),
        ("credits", "0002_guards"),
        ("organizations", "0002_guards"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
