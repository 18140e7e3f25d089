"""Names that people match by are exact from now on: what may look like another is refused, whoever writes it."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


# A name that is written, or changed, has one spelling: NFKC, no spaces around it, nothing invisible. What was there before stays as it is,
# also where its row changes, so this cannot be a check constraint. The triggers say which columns are such names.
FORWARD = [
    function("organizations_is_exact_1"),
    function("organizations_exact_names_1"),
    """CREATE TRIGGER group_exact_key BEFORE INSERT OR UPDATE OF key ON organizations_group
    FOR EACH ROW EXECUTE FUNCTION organizations_exact_names_1('key')""",
    """CREATE TRIGGER actor_exact_external_id BEFORE INSERT OR UPDATE OF external_id ON organizations_actor
    FOR EACH ROW EXECUTE FUNCTION organizations_exact_names_1('external_id')""",
]
BACKWARD = [
    "DROP TRIGGER actor_exact_external_id ON organizations_actor",
    "DROP TRIGGER group_exact_key ON organizations_group",
    "DROP FUNCTION organizations_exact_names_1",
    "DROP FUNCTION organizations_is_exact_1",
]


class Migration(migrations.Migration):
    dependencies = [("organizations", "0009_words_of_groups")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
