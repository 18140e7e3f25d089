"""What the database does for doors, jobs and auditors in one statement each, and what each of them has one definition of. See `sql/`.

A function's name ends in a number. A new signature is a new name, and the old one stays for a release: while a new version is rolled out
both are asked.
"""

from pathlib import Path

from django.db import migrations

FUNCTIONS = [
    # The hash of an entry, and the moment that is written: by one definition, whoever asks.
    "credits_fields_1",
    "credits_draws_text_1",
    "credits_grant_text_1",
    "credits_entry_hash_1",
    "credits_clamp_1",
    # Entries are written, and hashed, by one statement.
    "credits_post_2",
    # What a wallet's holds held at a moment of long ago: for `asOf`.
    "credits_held_1",
    # The one admission and the one charge: what the path of a request does in one round trip each.
    "credits_decide_1",
    "credits_answer_2",
    "credits_hold_2",
    "credits_charge_1",
    # The limits of a hold as they are by now.
    "credits_figures_1",
]


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    # The hash counts bytes of UTF-8.
    """DO $$ BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'a database in UTF8 expected, this one is in %', getdatabaseencoding();
    END IF;
END $$""",
    *[function(name) for name in FUNCTIONS],
]
BACKWARD = [f"DROP FUNCTION {name}" for name in reversed(FUNCTIONS)]


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_checksums"), ("organizations", "0003_functions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
