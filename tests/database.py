"""Emptying the test database after a test that used real transactions."""

from django.db import connection, transaction

# What Django itself writes into every new database. Tests read it and leave it alone.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
SNAPSHOT = "seeded"


def remember_seeded_rows() -> None:
    """Copy the tables that migrations filled, so that `empty` can put their rows back."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SNAPSHOT}")
        for table in _tables():
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')
            if cursor.fetchone() == (True,):
                cursor.execute(f'CREATE TABLE {SNAPSHOT}."{table}" AS TABLE "{table}"')


def empty() -> None:
    """Bring every table back to what the migrations left.

    Django flushes by TRUNCATE, which takes half a second, is refused by the append-only triggers,
    and removes the rows that migrations seeded. As a replica the session runs no triggers and
    checks no foreign keys, so plain DELETEs in any order do, in one round trip.
    """
    seeded = _seeded_tables()
    statements = ["SET LOCAL session_replication_role = replica"]
    statements += [f'DELETE FROM "{table}"' for table in _tables()]
    statements += [f'INSERT INTO "{table}" TABLE {SNAPSHOT}."{table}"' for table in seeded]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join(statements))


def _tables() -> list[str]:
    return sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)


def _seeded_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SNAPSHOT])
        return [row[0] for row in cursor.fetchall()]
