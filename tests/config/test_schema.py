"""The shape of the schema, read from PostgreSQL's own catalogue: what lets roots be spread over databases one day, without a rewrite.

Tables are of three kinds. Most belong to organizations: each of their rows reaches its organization, and refers to nothing but its like and
the catalogue. The catalogue is for everybody, and each database would have it. The calendar and the counts of requests stand apart, as do the
tables of the framework and of what is built on it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

OURS = ("organizations_", "credits_", "usage_")
ORGANIZATION = "organizations_organization"
CATALOGUE = {
    "credits_catalogue",
    "usage_aimodel",
    "usage_rate",
    "usage_accepteddifference",
    "usage_markup",
    "usage_historicalmarkup",
    "usage_historicalaimodel",
    "usage_historicalrate",
}
APART = {
    "credits_rehearsal",
    "organizations_bulkaction",
    "organizations_alert",
    "organizations_alertstep",
    "organizations_job",
    "organizations_lease",
    "organizations_failure",
    "organizations_finding",
    "organizations_tick",
    "organizations_import",
    "organizations_importpart",
    "organizations_importrow",
    "organizations_clockmark",
    "organizations_ratecount",
    "organizations_savedview",
    "usage_dailyuse",
    "usage_stock",
    "usage_priceproposal",
    "usage_whatif",
    "usage_whatifpart",
    "usage_whatifline",
}
# Profiles that are the system's belong to nobody, and neither does the rule for everybody.
SHARED_ROWS = {"organizations_usageprofile", "organizations_alertrule"}
# By these columns a history says whose it is: it outlives what it is of, so no foreign key holds it.
OWNER_OF_HISTORY = {"organization_id", "wallet_id"}

TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"""
FOREIGN_KEYS = """
    SELECT k.conrelid::regclass::text, k.confrelid::regclass::text, bool_and(a.attnotnull)
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
    WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace GROUP BY k.oid, 1, 2"""
# What has a composite type has the row type of some table, or an array of it.
FUNCTIONS = """
    SELECT p.proname, p.oid::regprocedure::text, EXISTS (
        SELECT FROM unnest(p.proargtypes::oid[] || coalesce(p.proallargtypes, '{}') || p.prorettype) AS used
        JOIN pg_type t ON t.oid = used LEFT JOIN pg_type e ON e.oid = t.typelem WHERE 'c' IN (t.typtype, e.typtype)
    )
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""
SEQUENCES = """
    SELECT s.relname, t.relname, a.attidentity <> '' AND a.atttypid = 'bigint'::regtype AND a.attnum = ANY (i.indkey)
    FROM pg_class s
    LEFT JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_class t ON t.oid = d.refobjid
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
    WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace"""
COUNTED_BY_NAME = """
    SELECT d.adrelid::regclass::text FROM pg_attrdef d WHERE pg_get_expr(d.adbin, d.adrelid) LIKE '%%nextval%%'"""
COLUMNS = """
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"""
SMALL_KEYS = """
    SELECT i.indrelid::regclass::text, a.attname FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indisprimary AND a.atttypid IN ('integer'::regtype, 'smallint'::regtype)"""


class Key(NamedTuple):
    """A foreign key, and whether it always refers to something."""

    table: str
    target: str
    is_filled: bool


def ask(sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor)


def tables() -> set[str]:
    return {name for (name,) in ask(TABLES)}


def ours() -> set[str]:
    return {name for name in tables() if name.startswith(OURS)}


def of_organizations() -> set[str]:
    return ours() - CATALOGUE - APART


def keys() -> list[Key]:
    return [Key(*row) for row in ask(FOREIGN_KEYS)]


def reaching() -> set[str]:
    """Return the tables of which each row reaches its organization, by keys that are always filled."""
    reached: set[str] = {ORGANIZATION}
    while more := set(_next_to(reached)) - reached:
        reached |= more
    return reached


def _next_to(reached: set[str]) -> Iterator[str]:
    for key in keys():
        if key.target in reached and (key.is_filled or key.table in SHARED_ROWS):
            yield key.table


def histories() -> set[str]:
    """Return the histories that say of each row whose it is."""
    named = {table for table, column in ask(COLUMNS) if column in OWNER_OF_HISTORY}
    return {name for name in named if "_historical" in name} | {
        "organizations_historicalorganization"
    }


class TestTables:
    def test_are_each_of_one_kind(self) -> None:
        """A new table belongs to organizations unless it is named above."""
        assert ours() >= CATALOGUE | APART
        assert not CATALOGUE & APART

    def test_reach_the_organization_that_they_belong_to(self) -> None:
        assert of_organizations() - reaching() - histories() == set()

    def test_of_organizations_refer_to_their_like_and_to_the_catalogue(self) -> None:
        allowed = of_organizations() | CATALOGUE

        found = {key for key in keys() if key.table in of_organizations()}

        assert {key for key in found if key.target not in allowed} == set()

    @pytest.mark.parametrize("kind", [CATALOGUE, APART], ids=["catalogue", "apart"])
    def test_of_the_other_kinds_refer_to_nothing_else(self, kind: set[str]) -> None:
        assert {key for key in keys() if key.table in kind and key.target not in kind} == set()

    def test_of_the_framework_and_of_beat_refer_to_nothing_of_ours(self) -> None:
        others = tables() - ours()

        assert {key for key in keys() if key.table in others and key.target in ours()} == set()


class TestFunctions:
    def test_have_a_name_of_their_own(self) -> None:
        """An engine that spreads tables knows a function by its name."""
        names = [name for name, _, _ in ask(FUNCTIONS)]

        assert sorted(set(names)) == sorted(names)

    def test_take_and_return_no_row_of_a_table(self) -> None:
        """The row type of a table is another on each database, and in each schema."""
        assert [written for _, written, has_a_row in ask(FUNCTIONS) if has_a_row] == []


class TestNumbers:
    def test_come_from_a_sequence_only_behind_the_id_of_a_row(self) -> None:
        """What is counted for its order is counted by the wallet: sequences of two databases know nothing of each other."""
        found = [row for row in ask(SEQUENCES) if row[1] is None or row[1].startswith(OURS)]

        assert len(found) > 10
        assert [sequence for sequence, _, is_behind_an_id in found if not is_behind_an_id] == []
        assert [table for (table,) in ask(COUNTED_BY_NAME) if table.startswith(OURS)] == []

    def test_that_tell_rows_apart_are_large(self) -> None:
        """Ranges of them can be given to each database. One row needs no range."""
        small = {table for table, _ in ask(SMALL_KEYS) if table.startswith(OURS)}

        assert small - {"credits_catalogue", "organizations_clockmark"} == set()


def test_the_path_of_a_request_plans_no_statement_anew() -> None:
    kept = (
        "SELECT proname FROM pg_proc WHERE 'plan_cache_mode=force_generic_plan' = ANY (proconfig)"
    )

    with connection.cursor() as cursor:
        cursor.execute(kept)
        found = {name for (name,) in cursor.fetchall()}

    assert found == {"credits_hold_2", "usage_settle_3"}
