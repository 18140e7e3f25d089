"""The version of a row that processes keep: another one after each change, whoever makes it, and by nobody's word."""

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.db import connection
from django.db.models import F

from organizations import key_rows
from organizations.models import Actor, ApiKey, Organization, UsageProfile
from tests.factories import make_key, make_organization
from tests.usage.people import make_actor

pytestmark = pytest.mark.django_db(transaction=True)

KEPT = [Organization, UsageProfile, Actor, ApiKey]
OTHERS = {
    "uuid": "gen_random_uuid()",
    "boolean": "NOT coalesce({0}, false)",
    "timestamp with time zone": "coalesce({0}, '2026-01-01Z') + interval '1 microsecond'",
    "jsonb": """'{{"of": "another"}}'""",
    "numeric": "coalesce({0}, 0) + 0.000001",
    "ARRAY": "array_append({0}, 'another')",
    "bytea": r"'\x01'",
    "character varying": "'an'",
}
"""Another value of each kind of column."""
NOTED = {("organizations_apikey", "last_used_at")}


@pytest.fixture(autouse=True)
def _world() -> None:
    actor = make_actor(make_organization())
    make_key(actor.organization, scopes=["*"], actor=actor)


def columns(table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
            [table],
        )
        return dict(cursor.fetchall())


def change(table: str, column: str, value: str) -> bool:
    """Change one column of a copy of a row under the same trigger, but under no other rule. Return whether it has another version."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE copy (LIKE {table} INCLUDING DEFAULTS)")
        cursor.execute(f"INSERT INTO copy SELECT * FROM {table} ORDER BY id LIMIT 1")
        cursor.execute(
            "SELECT replace(pg_get_triggerdef(oid), 'public.' || %s, 'copy') FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND tgname LIKE %s",
            [table, table, "zz_%_version"],
        )
        cursor.execute(cursor.fetchone()[0])
        cursor.execute("SELECT version FROM copy")
        before = cursor.fetchone()
        cursor.execute(f"UPDATE copy SET {column} = {value} RETURNING version")
        after = cursor.fetchone()
        cursor.execute("DROP TABLE copy")
    return bool(before != after)


@pytest.mark.parametrize("model", KEPT)
def test_is_another_after_each_change_of_any_column(model: type[Organization]) -> None:
    table = model._meta.db_table
    kinds = columns(table)
    del kinds["version"]

    changes = {name: change(table, name, OTHERS[kind].format(name)) for name, kind in kinds.items()}

    assert {name for name, is_another in changes.items() if not is_another} == {
        column for noted, column in NOTED if noted == table
    }


@pytest.mark.parametrize("model", KEPT)
def test_stays_where_nothing_changes_and_nobody_writes_it(model: type[Organization]) -> None:
    rows = model._default_manager.order_by("id")
    before = list(rows.values_list("version", flat=True))

    rows.update(created_at=F("created_at"))
    rows.update(version=RandomUUID())

    assert list(rows.values_list("version", flat=True)) == before


def test_is_of_every_row_that_is_kept() -> None:
    assert {each.model for each in (key_rows._KEY, *key_rows._WHOSE)} == set(KEPT)
