"""Whoever changes thresholds, limits, models, prices or markups raises a version: that of the organization's terms, or of the catalogue.

As migration 0005 of credits says, whose functions do it. A budget that nobody has set yet is a row without a cap, made when somebody
looks at it: it decides nothing.
"""

from django.db import migrations

STAMPS = ["created_at", "updated_at"]
UNSET_BUDGET = '{"scope": "resource", "cap": null}'
# Of each table: the columns that decide nothing, and which rows.
TABLES = {
    "usage_thresholds": ([], None),
    "usage_limit": (["slug", "owner_id", *STAMPS], UNSET_BUDGET),
    "usage_aimodel": (["name"], None),
    "usage_rate": ([], None),
    "usage_markup": ([], None),
    "usage_customerprice": ([], None),
}
TRANSITIONS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


def trigger(table, event, idle, nothing):
    name = f"{table.split('_')[1]}_terms_{event.lower()}"
    columns = f"'{{{','.join(idle)}}}'"
    arguments = columns if nothing is None else f"{columns}, '{nothing}'"
    return f"""CREATE TRIGGER {name} AFTER {event} ON {table}
    REFERENCING {TRANSITIONS[event]} FOR EACH STATEMENT EXECUTE FUNCTION credits_terms_edited({arguments})"""


def no_truncate(table):
    return f"""CREATE TRIGGER {table.split("_")[1]}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION credits_terms_no_truncate()"""


FORWARD = [
    *[
        trigger(table, event, *decides_nothing)
        for table, decides_nothing in TABLES.items()
        for event in TRANSITIONS
    ],
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
    dependencies = [("usage", "0003_functions"), ("credits", "0005_raise_terms_version")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
