"""The hash of an entry and the moment that is written, each with one definition: a function that doors, jobs and auditors call alike."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    # The hash counts bytes of UTF-8.
    """DO $$ BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'a database in UTF8 expected, this one is in %', getdatabaseencoding();
    END IF;
END $$""",
    function("credits_fields_1"),
    function("credits_draws_text_1"),
    function("credits_grant_text_1"),
    function("credits_entry_hash_1"),
    function("credits_clamp_1"),
]
BACKWARD = [
    "DROP FUNCTION credits_clamp_1",
    "DROP FUNCTION credits_entry_hash_1",
    "DROP FUNCTION credits_grant_text_1",
    "DROP FUNCTION credits_draws_text_1",
    "DROP FUNCTION credits_fields_1",
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_checksums")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
