"""Whoever changes a markup raises a version: that of the catalogue, or of an organization's terms where it is a customer's. See migration 0003."""

from django.db import migrations

TABLES = ("usage_markup", "usage_customerprice")
TRANSITIONS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


def trigger(table, event):
    return f"""CREATE TRIGGER {table.split("_")[1]}_terms_{event.lower()} AFTER {event} ON {table}
    REFERENCING {TRANSITIONS[event]} FOR EACH STATEMENT EXECUTE FUNCTION credits_terms_edited('{{}}')"""


def no_truncate(table):
    return f"""CREATE TRIGGER {table.split("_")[1]}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION credits_terms_no_truncate()"""


FORWARD = [
    *[trigger(table, event) for table in TABLES for event in TRANSITIONS],
    *[no_truncate(table) for table in TABLES],
]
BACKWARD = [
    *[f"DROP TRIGGER {table.split('_')[1]}_no_truncate ON {table}" for table in TABLES],
    *[
        f"DROP TRIGGER {table.split('_')[1]}_terms_{event.lower()} ON {table}"
        for table in TABLES
        for event in TRANSITIONS
    ],
]


class Migration(migrations.Migration):
    dependencies = [("usage", "0020_markups"), ("credits", "0006_raise_terms_version")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
