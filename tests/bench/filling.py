"""Very many rows, set-wise: copies of a row that a service wrote, with what differs.

The rules are switched off meanwhile and the indexes are made afterwards, so that ten million rows take minutes. It is done to a database
that is thrown away, and nowhere else.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection

from config import roles
from tests.bench.measuring import say

PORTION = 1_000_000
"""Rows of one statement: somebody watches."""
SESSION = ("session_replication_role = replica", "maintenance_work_mem = '512MB'")
READY = "UPDATE pg_index SET indisready = %s, indisvalid = %s WHERE indrelid = %s::regclass"


def copy(
    table: str,
    row: str,
    count: int,
    *,
    values: Mapping[str, Any] | None = None,
    **others: str,
) -> None:
    """Write copies of a row, which the condition `row` names.

    :param others: what differs: the SQL of a column, in which `n` counts from 1, and `t` is the row
    :param values: what the SQL refers to by `%(name)s`
    """
    columns = columns_of(table)
    wanted = ", ".join(others.get(name, f"t.{name}") for name in columns)
    statement = f"""
        INSERT INTO {table} ({", ".join(columns)})
        SELECT {wanted} FROM (SELECT * FROM {table} WHERE {row} LIMIT 1) AS t,
            generate_series(%(first)s::bigint, %(last)s::bigint) AS n"""
    for first in range(1, count + 1, PORTION):
        last = min(count, first + PORTION - 1)
        with connection.cursor() as cursor:
            cursor.execute(statement, {"first": first, "last": last, **(values or {})})
        if count >= PORTION:
            say(f"  {table}: {last:,} of {count:,} rows")


def columns_of(table: str) -> list[str]:
    """Return the columns of a table that are written; neither the generated ones nor numbers that the table gives itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT attname FROM pg_attribute
            WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
            ORDER BY attnum""",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


@contextmanager
def unchecked(*tables: str) -> Iterator[None]:
    """Fill tables as their owner for the length of the block, without rules and without keeping their indexes; afterwards these are made."""
    with roles.as_owner():
        with connection.cursor() as cursor:
            for setting in SESSION:
                cursor.execute(f"SET {setting}")
            for table in tables:
                cursor.execute(READY, [False, False, table])
        yield
        with connection.cursor() as cursor:
            for table in tables:
                say(f"  {table}: its indexes")
                cursor.execute(READY, [True, True, table])
                cursor.execute(f"REINDEX TABLE {table}")
                cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute("CHECKPOINT")
        # Gigabytes are still on their way to the disk, and whoever reads next would wait for them.
        os.sync()
