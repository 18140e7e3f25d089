"""Emptying the test database after a test that used real transactions."""

from functools import cache

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

# What Django itself writes into every new database. Tests read it and leave it alone.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
SNAPSHOT = "seeded"


def remember_seeded_rows() -> None:
    """Copy the tables that migrations filled, and write down how `empty` puts their rows back."""
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)
    statements = [f'DELETE FROM "{table}";' for table in tables]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SNAPSHOT}")
        for table in tables:
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')
            if cursor.fetchone() == (True,):
                cursor.execute(f'CREATE TABLE {SNAPSHOT}."{table}" AS TABLE "{table}"')
                statements.append(f'INSERT INTO "{table}" TABLE {SNAPSHOT}."{table}";')
        body = "BEGIN " + " ".join(statements) + " END"
        cursor.execute(f"CREATE PROCEDURE {SNAPSHOT}.empty() LANGUAGE plpgsql AS $${body}$$")


def act_as(role: str) -> None:
    """Have every session from now on act as a role, without its password: that of this thread too."""
    connection.settings_dict["OPTIONS"]["options"] += f" -c role={role}"
    connection.close()


def empty() -> None:
    """Bring every table back to what the migrations left.

    Django flushes by TRUNCATE, which takes half a second, is refused by the append-only triggers,
    and removes the rows that migrations seeded. As a replica a session runs no triggers and
    checks no foreign keys, so plain DELETEs in any order do, in one round trip.
    """
    with _replica().cursor() as cursor:
        cursor.execute(f"CALL {SNAPSHOT}.empty()")


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
