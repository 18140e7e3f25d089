"""Whoever changes terms raises their version: the application, a shell, a migration, an admin with psql.

Terms are read without a lock and kept; an admission compares their version under the wallet's lock. So nothing may change them and leave
the version. What decides is compared row by row, before and after: a name, an address or a note raises nothing. Nor does a new actor or
group, since nobody kept that there was none. Whose an external id is decides, since a request may name an actor by it. Here are the triggers on terms of organizations and of credits; usage has those on its own.
"""

from pathlib import Path

from django.db import migrations

STAMPS = ["created_at", "updated_at"]
OF_ROWS = [*STAMPS, "version"]
"""What says of a row when it became what it is, and which."""
# Of each table: after what, and the columns that decide nothing.
TABLES = {
    "organizations_usageprofile": (["UPDATE", "DELETE"], ["name", "description", "features", *OF_ROWS]),
    "organizations_actor": (["UPDATE", "DELETE"], ["kind", "name", "email", *OF_ROWS]),
    "organizations_group": (["UPDATE", "DELETE"], ["name", *STAMPS]),
    "organizations_membership": (["INSERT", "UPDATE", "DELETE"], []),
}
TRANSITIONS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def trigger(table, event, call):
    name = f"{table.split('_')[1]}_terms_{event.lower()}"
    return f"""CREATE TRIGGER {name} AFTER {event} ON {table}
    REFERENCING {TRANSITIONS[event]} FOR EACH STATEMENT EXECUTE FUNCTION {call}"""


def no_truncate(table):
    return f"""CREATE TRIGGER {table.split("_")[1]}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION credits_terms_no_truncate()"""


EVENTS = [
    *[
        (table, event, f"credits_terms_edited('{{{','.join(idle)}}}')")
        for table, (events, idle) in TABLES.items()
        for event in events
    ],
    ("organizations_organization", "UPDATE", "credits_organizations_edited()"),
    ("credits_creditconfig", "UPDATE", "credits_configs_edited()"),
    ("credits_creditconfig", "DELETE", "credits_configs_edited()"),
]
GUARDED = list(dict.fromkeys(table for table, _, _ in EVENTS))
FUNCTIONS = [
    "credits_raise_terms",
    "credits_terms_edited",
    "credits_organizations_edited",
    "credits_configs_edited",
    "credits_terms_no_truncate",
]
FORWARD = [
    # The version of the catalogue is a row's, of which there is one.
    "INSERT INTO credits_catalogue (id) VALUES (1)",
    *[function(name) for name in FUNCTIONS],
    *[trigger(*event) for event in EVENTS],
    *[no_truncate(table) for table in GUARDED],
]
BACKWARD = [
    *[f"DROP TRIGGER {table.split('_')[1]}_no_truncate ON {table}" for table in GUARDED],
    *[
        f"DROP TRIGGER {table.split('_')[1]}_terms_{event.lower()} ON {table}"
        for table, event, _ in EVENTS
    ],
    *[f"DROP FUNCTION {name}" for name in reversed(FUNCTIONS)],
    "DELETE FROM credits_catalogue",
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_functions"), ("organizations", "0005_seeds")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
