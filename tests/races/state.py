"""All that the database has of a family, without what chance gave it: two worlds where the same happened are equal."""

from django.apps import apps
from django.db import connection

from organizations.models import Organization

OF_FAMILY = "organization_id IN (SELECT id FROM family)"
OF_WALLETS = "wallet_id IN (SELECT id FROM wallets)"


def _owned() -> dict[str, str]:
    """Return every table whose rows belong to an organization, and which of them are a family's."""
    owned = {
        "organizations_organization": "id IN (SELECT id FROM family)",
        "credits_grantdraw": f"entry_id IN (SELECT id FROM credits_ledgerentry WHERE {OF_WALLETS})",
    }
    for model in apps.get_models():
        columns = {field.column for field in model._meta.concrete_fields}
        for column, ours in {"organization_id": OF_FAMILY, "wallet_id": OF_WALLETS}.items():
            if column in columns:
                owned[model._meta.db_table] = ours
    return owned


TABLES = _owned()
WITHOUT_CHANCE = """
    SELECT jsonb_object_agg(key, value)::text FROM jsonb_each(to_jsonb(t))
    WHERE key !~ '(^|_)(id|ids|hash|checksum|by|date|fingerprint|version)$' AND key NOT IN ('limits', 'body', 'position')"""
"""A row without what is different in every world: ids, hashes, versions, the real clock, and what contains those."""
ROWS = " UNION ALL ".join(
    f"SELECT '{table}' AS name, ({WITHOUT_CHANCE}) AS content FROM {table} t WHERE {ours}"
    for table, ours in TABLES.items()
)
STATE = f"""
WITH family AS (SELECT id FROM organizations_organization WHERE %(id)s IN (id, parent_id)),
    wallets AS (SELECT id FROM credits_wallet WHERE {OF_FAMILY})
{ROWS} ORDER BY name, content"""


def state_of(parent: Organization) -> dict[str, list[str]]:
    """Return all there is of a parent and its children, by table."""
    found: dict[str, list[str]] = {table: [] for table in TABLES}
    with connection.cursor() as cursor:
        cursor.execute(STATE, {"id": parent.id})
        for table, row in cursor:
            found[table].append(row)
    return found
