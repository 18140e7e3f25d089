"""How migrations are written: one statement at a time, one change of a table at a time, and functions in files of their own."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL
from django.db.migrations.operations.base import Operation

OURS = ("organizations", "credits", "usage")
ASIDE = re.compile(r"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
IN_BRACKETS = re.compile(r"\([^()]*\)")
ALTER = re.compile(r"\s*ALTER\s+TABLE\b", re.IGNORECASE)
# Django writes a foreign key that is added with its column so: the column, and then that it holds from now on.
HOLDS_FROM_NOW_ON = re.compile(r';\s*SET CONSTRAINTS "\w+" IMMEDIATE\s*$')


def migrations() -> list[Migration]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return [m for (app, _), m in sorted(loader.disk_migrations.items()) if app in OURS]


def entries() -> Iterator[tuple[str, object]]:
    """Yield every entry of every RunSQL, forwards and backwards, with the name of its migration."""
    for migration in migrations():
        for operation in _flat(migration.operations):
            if isinstance(operation, RunSQL):
                for sql in (operation.sql, operation.reverse_sql):
                    listed = sql if isinstance(sql, (list, tuple)) else [sql]
                    yield from ((str(migration), entry) for entry in listed)


def _flat(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Yield operations, and those inside of others (`SeparateDatabaseAndState`)."""
    for operation in operations:
        yield operation
        yield from _flat(getattr(operation, "database_operations", []))


def bare(sql: str) -> str:
    """Return a statement without what is quoted, commented or in brackets: what is left has no `;` or `,` but its own."""
    text = ASIDE.sub("", sql)
    while (shorter := IN_BRACKETS.sub("", text)) != text:
        text = shorter
    return text


def statements(sql: str) -> list[str]:
    return [part for part in bare(sql).split(";") if part.strip()]


def subcommands(sql: str) -> int:
    """Return how many changes an ALTER TABLE makes."""
    return bare(sql).count(",") + 1


class TestRunSQL:
    def test_has_one_statement_in_each_entry(self) -> None:
        found = [(name, entry) for name, entry in entries() if entry]

        assert len(found) > 80
        texts = [(name, entry) for name, entry in found if isinstance(entry, str)]
        # With parameters an entry is a pair, and its statement the first of it.
        texts += [(name, entry[0]) for name, entry in found if isinstance(entry, (list, tuple))]
        assert len(texts) == len(found)
        assert [(name, text) for name, text in texts if len(statements(text)) != 1] == []

    def test_changes_one_thing_of_a_table_at_a_time(self) -> None:
        altering = [(n, sql) for n, sql in entries() if isinstance(sql, str) and ALTER.match(sql)]

        assert len(altering) > 10
        assert [(name, sql) for name, sql in altering if subcommands(sql) != 1] == []


class TestMadeByDjango:
    # In no transaction of its own: what is collected takes longer than one may wait for its next statement.
    @pytest.mark.django_db(transaction=True)
    def test_changes_one_thing_of_a_table_at_a_time(self) -> None:
        loader = MigrationLoader(connection, replace_migrations=False)
        for migration in migrations():
            plan = [(loader.graph.nodes[(migration.app_label, migration.name)], False)]
            for sql in loader.collect_sql(plan):
                text = HOLDS_FROM_NOW_ON.sub("", sql.rstrip().rstrip(";"))
                if ALTER.match(text):
                    assert len(statements(text)) == 1, sql
                    assert subcommands(text) == 1, sql


class TestFunctions:
    @pytest.mark.parametrize("app", OURS)
    def test_stand_in_a_file_each_that_bears_their_name(self, app: str) -> None:
        files = sorted(Path(settings.BASE_DIR, app, "migrations", "sql").glob("*.sql"))

        assert files
        for file in files:
            text = file.read_text()
            (made,) = re.findall(r"^CREATE FUNCTION (\w+)", text, re.MULTILINE)
            assert file.stem == made
            assert len(statements(text)) == 1, file.name

    def test_are_each_made_by_a_migration(self) -> None:
        made = "\n".join(str(entry) for _, entry in entries())

        for app in OURS:
            for file in Path(settings.BASE_DIR, app, "migrations", "sql").glob("*.sql"):
                assert file.read_text() in made, file.name

    def test_change_one_thing_of_a_table_at_a_time(self) -> None:
        for _, entry in entries():
            for inner in re.findall(r"'(ALTER TABLE [^']*)'", str(entry)):
                assert subcommands(inner) == 1, inner


class TestReading:
    """That what is asked above can be answered no."""

    @pytest.mark.parametrize(
        ("sql", "count"),
        [
            ("SELECT 1", 1),
            ("SELECT 1; -- and no more", 1),
            ("SELECT ';'", 1),
            ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT 1; SELECT 2; $$;", 1),
            ("-- it's\nSELECT 1;\nSELECT 2", 2),
            ("-- it's\nDO $$ BEGIN PERFORM 1; END $$", 1),
            ("DROP TRIGGER a ON b;\nDROP FUNCTION c;", 2),
        ],
    )
    def test_counts_statements(self, sql: str, count: int) -> None:
        assert len(statements(sql)) == count

    @pytest.mark.parametrize(
        ("sql", "count"),
        [
            ("ALTER TABLE a ADD COLUMN b numeric(24, 6)", 1),
            ("ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (d, e) REFERENCES f (d, e)", 1),
            ("ALTER TABLE a ADD CONSTRAINT c CHECK (d IN ('x', coalesce(e, 'y')))", 1),
            ("ALTER TABLE a DROP COLUMN b, DROP COLUMN c", 2),
        ],
    )
    def test_counts_changes_of_a_table(self, sql: str, count: int) -> None:
        assert subcommands(sql) == count
