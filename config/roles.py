"""The roles of the database: giving them the rights of `config.privileges`, connecting as the owner, and who complains if everybody is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection, transaction
from psycopg import sql

from config.privileges import APP, APP_FUNCTIONS, EVERY_COLUMN, FUNCTIONS, READER, TABLES

# What the connected user owns, so that an extension's tables and functions are left to whoever brought them.
OWN_TABLES = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND pg_has_role(c.relowner, 'USAGE')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    GROUP BY c.relname"""
OWN_FUNCTIONS = """
    SELECT p.proname, p.oid::regprocedure::text
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND pg_has_role(p.proowner, 'USAGE')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""
WHO_ASKS = """
    SELECT current_user, r.rolsuper, EXISTS (
        SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND pg_has_role(c.relowner, 'USAGE')
    ) FROM pg_roles r WHERE r.rolname = current_user"""


@contextmanager
def as_owner() -> Iterator[None]:
    """Connect as the owner for the length of the block, if the settings know one beside the application's own role."""
    ours = connection.settings_dict
    if not _has_an_owner(ours):
        yield
        return
    connection.close()
    connection.settings_dict = {**ours, **settings.DATABASE_OWNER}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = ours


def grant() -> set[str]:
    """Give the roles what `config.privileges` says, and nothing else; return those of them that nobody has made yet.

    In one transaction, so that nobody who works meanwhile is without a right that he keeps.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[APP, READER]])
        made = {name for (name,) in cursor}
        cursor.execute(OWN_TABLES)
        tables: dict[str, list[str]] = dict(cursor)
        cursor.execute(OWN_FUNCTIONS)
        functions: list[tuple[str, str]] = cursor.fetchall()
        for statement in [
            *_on_the_database(connection.settings_dict["NAME"], made),
            *_on_tables(tables, made),
            *_on_functions(functions, made),
        ]:
            cursor.execute(statement)
    return {APP, READER} - made


@register(Tags.database)
def app_owns_nothing(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Complain if the application connects as somebody whom no right and no trigger holds back."""
    meant = connection.settings_dict["USER"] != settings.DATABASES["default"]["USER"]
    if not databases or settings.DEBUG or meant:
        return []
    with connection.cursor() as cursor:
        cursor.execute(WHO_ASKS)
        user, is_superuser, owns_tables = cursor.fetchone()
    if not is_superuser and not owns_tables:
        return []
    what = "a superuser" if is_superuser else "the owner of the tables"
    return [
        Warning(
            f"Purser connects to its database as {user}, {what}, who could change the ledger",
            hint=f"DATABASE_URL as {APP}, and DATABASE_OWNER_URL for migrations: docs/operations.md",
            id="config.W001",
        )
    ]


def _has_an_owner(ours: dict[str, Any]) -> bool:
    """Say whether the settings' owner is that of the database that is connected to: tests have one of their own."""
    where = ("HOST", "PORT", "USER")
    app = settings.DATABASE_APP
    return bool(settings.DATABASE_OWNER) and all(ours[each] == app[each] for each in where)


def _on_the_database(name: str, roles: set[str]) -> Iterator[sql.Composable]:
    database = sql.Identifier(name)
    yield sql.SQL("REVOKE CREATE, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database)
    yield sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    for role in sorted(roles):
        to = sql.Identifier(role)
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, to)
        yield sql.SQL("REVOKE ALL ON SCHEMA public FROM {}").format(to)
        yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, to)
        yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(to)


def _on_tables(tables: dict[str, list[str]], roles: set[str]) -> Iterator[sql.Composable]:
    for name, columns in sorted(tables.items()):
        table = sql.Identifier(name)
        rights = TABLES.get(name)
        yield sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(table)
        for role in sorted(roles):
            to = sql.Identifier(role)
            # This takes the rights to single columns back too.
            yield sql.SQL("REVOKE ALL ON {} FROM {}").format(table, to)
        if rights is None:
            continue
        if APP in roles:
            words = sql.SQL(rights.app)
            yield sql.SQL("GRANT {} ON {} TO {}").format(words, table, sql.Identifier(APP))
        if READER in roles and rights.hidden != EVERY_COLUMN:
            seen = sql.SQL(", ").join(
                sql.Identifier(column) for column in columns if column not in rights.hidden
            )
            yield sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(
                seen, table, sql.Identifier(READER)
            )


def _on_functions(functions: list[tuple[str, str]], roles: set[str]) -> Iterator[sql.Composable]:
    for name, signature in sorted(functions):
        # As the catalogue writes it: quoted where it must be.
        function = sql.SQL(signature)
        if name in FUNCTIONS:
            yield sql.SQL("GRANT EXECUTE ON FUNCTION {} TO PUBLIC").format(function)
            continue
        yield sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(function)
        for role in sorted(roles):
            to = sql.Identifier(role)
            yield sql.SQL("REVOKE ALL ON FUNCTION {} FROM {}").format(function, to)
        if name in APP_FUNCTIONS and APP in roles:
            yield sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(
                function, sql.Identifier(APP)
            )
