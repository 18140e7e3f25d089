"""The checksum of a row: written by a trigger whoever writes, stale once the row was edited with triggers off."""

from importlib import import_module

import pytest
from django.db import connection, transaction

from credits import checksums
from credits.checksums import is_edited
from tests.credits.tampering import make_world, tamper

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = {
    "credits_wallet": checksums.WALLET,
    "credits_billingperiod": checksums.BILLING_PERIOD,
    "credits_reservation": checksums.RESERVATION,
    "credits_grantdraw": checksums.DRAW,
}
NOT_COVERED = {
    # one is computed from another; the others are the checksums
    *(("credits_billingperiod", name) for name in ("continues_at",)),
    *((table, "checksum") for table in COLUMNS),
}
SESSIONS = [
    "SET timezone = 'UTC'",
    "SET timezone = 'Asia/Kathmandu'",
    "SET datestyle = 'German, DMY'",
    "SET bytea_output = 'escape'",
    "SET extra_float_digits = -15",
    "SET intervalstyle = 'sql_standard'",
    "SET standard_conforming_strings = off",
]


def fitting(table: str) -> tuple[int, int]:
    """Return how many rows there are, and how many of them have a checksum that fits."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE NOT {is_edited('r', COLUMNS[table])}) FROM {table} r"
        )
        (rows, fit) = cursor.fetchone()
    return int(rows), int(fit)


class TestChecksum:
    def test_fits_whatever_is_written_through_the_trigger(self) -> None:
        make_world()

        for table in COLUMNS:
            rows, fit = fitting(table)

            assert rows == fit > 0, table

    def test_says_the_same_in_every_session(self) -> None:
        make_world()

        for session in SESSIONS:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(session.replace("SET", "SET LOCAL"))
                counts = [fitting(table) for table in COLUMNS]

            assert all(rows == fit > 0 for rows, fit in counts), session

    def test_cannot_be_chosen_by_whoever_writes(self) -> None:
        make_world()

        with connection.cursor() as cursor:
            cursor.execute("UPDATE credits_wallet SET checksum = sha256('mine')")

        rows, fit = fitting("credits_wallet")
        assert rows == fit

    @pytest.mark.broken_books
    @pytest.mark.parametrize(
        ("table", "edit"),
        [
            ("credits_wallet", "created_at = created_at + interval '1 microsecond'"),
            ("credits_billingperiod", "term_ends_at = term_ends_at + interval '1 microsecond'"),
            ("credits_reservation", 'metadata = \'{"note": "gift"}\''),
            ("credits_grantdraw", "id = id + 1000000"),
        ],
    )
    def test_no_longer_fits_a_row_that_was_edited(self, table: str, edit: str) -> None:
        make_world()

        changed = tamper(f"UPDATE {table} SET {edit}")

        assert fitting(table) == (changed, 0)

    def test_covers_every_column(self) -> None:
        """One that is added later need not be: then it has a line in NOT_COVERED, and a reason; or there is another format."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_name = ANY(%s)",
                [list(COLUMNS)],
            )
            columns = set(cursor.fetchall())

        covered = {
            (table, name.strip("*#")) for table, names in COLUMNS.items() for name in names.split()
        }
        assert columns == covered | NOT_COVERED

    def test_says_by_which_format_it_was_made(self) -> None:
        make_world()

        with connection.cursor() as cursor:
            for table in COLUMNS:
                cursor.execute(
                    f"SELECT DISTINCT get_byte(checksum, 0), length(checksum) FROM {table}"
                )

                assert cursor.fetchall() == [(1, 33)], table


class TestNewColumn:
    @pytest.mark.parametrize("table", COLUMNS)
    def test_rewrites_no_row_and_leaves_every_checksum_as_it_was(self, table: str) -> None:
        make_world()
        with transaction.atomic(), connection.cursor() as cursor:
            before = places(table)

            cursor.execute(f"ALTER TABLE {table} ADD COLUMN note text NOT NULL DEFAULT 'none'")

            assert places(table) == before
            rows, fit = fitting(table)
            if table != "credits_grantdraw":
                cursor.execute(
                    f"UPDATE {table} SET note = 'seen' WHERE id IN (SELECT id FROM {table} {OPEN.get(table, '')} LIMIT 1)"
                )
                assert cursor.rowcount == 1
            assert fitting(table) == (rows, rows) == (rows, fit)
            transaction.set_rollback(True)


OPEN = {"credits_reservation": "WHERE status = 'open'"}


def places(table: str) -> list[tuple[str, str, str]]:
    """Return where each row is, and which transaction wrote it there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pg_relation_filenode('{table}')::text, ctid::text, xmin::text FROM {table} ORDER BY ctid"
        )
        return list(cursor.fetchall())


class TestMigration:
    def test_can_be_taken_back_and_done_again_on_rows_that_are_there(self) -> None:
        make_world()
        migration = import_module("credits.migrations.0003_checksums")

        with transaction.atomic(), connection.cursor() as cursor:
            # Each direction is a transaction of its own, elsewhere.
            for statement in (
                *migration.BACKWARD,
                "SET CONSTRAINTS ALL IMMEDIATE",
                *migration.FORWARD,
            ):
                cursor.execute(statement)

            counts = [fitting(table) for table in COLUMNS]
            transaction.set_rollback(True)
        assert all(rows == fit > 0 for rows, fit in counts)
