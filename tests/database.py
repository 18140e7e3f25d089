"""The test database: making one quickly, and emptying it after a test that used real transactions."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from config import roles

# What Django itself writes into every new database. Tests read it and leave it alone.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
SNAPSHOT = "seeded"


PROJECT = Path(__file__).parent.parent
MIGRATED = "test_purser_migrated_"
"""How the names of databases begin that are only copied: the rest says by what they were migrated."""


def make(name: str) -> None:
    """Make a database and use it from now on: a copy of one that an earlier run migrated, if the migrations are still the same."""
    name_of_migrated = migrated()
    with connection._nodb_cursor() as cursor:
        # Whoever comes second waits for the first, as long as migrating takes, and then copies too.
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [MIGRATED])
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name_of_migrated])
        if cursor.fetchone() is None:
            _migrate(cursor, name_of_migrated)
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{name_of_migrated}"')
    _use(name)
    # Rights on a database itself are not copied.
    with roles.as_owner():
        roles.grant()


def remove(name: str) -> None:
    connection.close()
    with connection._nodb_cursor() as cursor:
        # Where the tests run as another role, this does not.
        cursor.execute("SET ROLE NONE")
        # A session that somebody left open ends with it.
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def migrated() -> str:
    """Return the name of the database that is migrated and empty, to copy: `make` made it."""
    return MIGRATED + _migrations()


def _migrate(cursor: CursorWrapper, name: str) -> None:
    """Make the database to copy, and remove those of other migrations. It has its name only when it is whole."""
    cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [MIGRATED])
    for (old,) in cursor.fetchall():
        cursor.execute(f'DROP DATABASE "{old}"')
    unfinished = f"{MIGRATED}unfinished"
    cursor.execute(f'CREATE DATABASE "{unfinished}" TEMPLATE template0')
    _use(unfinished)
    call_command("migrate", verbosity=0)
    connection.close()
    cursor.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')


def _use(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name


def _migrations() -> str:
    """Return what is another text whenever migrating would come to something else: of our migrations and models, our rights, and of all packages."""
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    yield PROJECT / "requirements-dev.lock"
    yield from PROJECT.glob("config/**/*.py")
    for app in ("organizations", "credits", "usage"):
        for pattern in ("migrations/**/*.py", "migrations/**/*.sql", "models.py", "models/*.py"):
            yield from (PROJECT / app).glob(pattern)


def remember_seeded_rows() -> None:
    """Copy the tables that migrations filled, for `empty`."""
    keep(SNAPSHOT)


def keep(name: str) -> None:
    """Copy all rows as they are now, and write down how `bring_back` puts them back."""
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)
    with _replica().cursor() as cursor:
        cursor.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        cursor.execute(f'CREATE SCHEMA "{name}"')
        # A copy has no name of a table: who reads the catalogue by names finds one of each.
        body = " ".join(
            _way_back(cursor, f'"{table}"', f'"{name}".copy_{number}')
            for number, table in enumerate(tables)
        )
        cursor.execute(
            f'CREATE PROCEDURE "{name}".bring_back() LANGUAGE plpgsql AS $$BEGIN {body} END$$'
        )


def _way_back(cursor: CursorWrapper, table: str, copy: str) -> str:
    """Copy a table, if there is something in it, and return how its rows are put back: to look takes a quarter of the time of writing."""
    cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
    if cursor.fetchone() == (False,):
        return f"IF EXISTS (SELECT FROM {table}) THEN DELETE FROM {table}; END IF;"
    columns = _written_columns(cursor, table)
    cursor.execute(f"CREATE TABLE {copy} AS SELECT {columns} FROM {table}")
    differs = " UNION ALL ".join(
        f"(SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other})"
        for one, other in ((table, copy), (copy, table))
    )
    back = f"DELETE FROM {table}; INSERT INTO {table} ({columns}) TABLE {copy};"
    return f"IF EXISTS ({differs}) THEN {back} END IF;"


def _written_columns(cursor: CursorWrapper, table: str) -> str:
    """Name the columns of a table that take a value: all but those that the database makes of others."""
    cursor.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        [table],
    )
    (columns,) = cursor.fetchone()
    return str(columns)


def bring_back(name: str) -> None:
    """Bring every table back to what it was when it was kept.

    Django flushes by TRUNCATE, which takes half a second, is refused by the append-only triggers,
    and removes the rows that migrations seeded. As a replica a session runs no triggers and
    checks no foreign keys, so plain DELETEs in any order do, in one round trip.
    """
    with _replica().cursor() as cursor:
        cursor.execute(f'CALL "{name}".bring_back()')


def prepare_fingerprint() -> None:
    """Make the function behind `fingerprint`: one statement for all tables, whose plan a session keeps."""
    tables = connection.introspection.table_names()
    one = "SELECT '{0}', count(*), coalesce(sum(hashtext((to_jsonb(t) - 'last_used_at')::text)), 0)::bigint FROM \"{0}\" t"
    body = " UNION ALL ".join(one.format(table) for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION {SNAPSHOT}.fingerprint() RETURNS TABLE (name text, rows bigint, content bigint)"
            f" LANGUAGE plpgsql AS $$BEGIN RETURN QUERY {body}; END$$"
        )


def fingerprint() -> dict[str, tuple[int, int]]:
    """Return how many rows each table has, and what comes of their content. When a key was last used is no content."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, rows, content FROM {SNAPSHOT}.fingerprint()")
        return {name: (rows, content) for name, rows, content in cursor.fetchall()}


def act_as(role: str) -> None:
    """Have every session from now on act as a role, without its password: that of this thread too."""
    connection.settings_dict["OPTIONS"]["options"] += f" -c role={role}"
    connection.close()


def empty() -> None:
    """Bring every table back to what the migrations left."""
    bring_back(SNAPSHOT)


def stop_emptying() -> None:
    """End the session of `empty`: a database that somebody uses cannot be removed."""
    _replica().close()


@cache
def _replica() -> BaseDatabaseWrapper:
    """Return a session of its own: one that becomes a replica for a moment forgets every plan."""
    session = connection.copy()
    with session.cursor() as cursor:
        # Where the tests run as another role, this one does not.
        cursor.execute("SET ROLE NONE")
        cursor.execute("SET session_replication_role = replica")
    return session
