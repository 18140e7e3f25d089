"""The checksum of a row: written by a trigger whoever writes, stale once the row was edited with triggers off."""

from importlib import import_module

import pytest
from django.db import connection, transaction

from tests.credits.tampering import make_world, tamper

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = {
    "credits_wallet": (
        "id balance reserved open_holds allowance_remaining lapse_at refill_cooldown_ends_at refill_retry_at head_number head_hash event_position created_at"
        " organization_id period_id terms_version checksum"
    ),
    "credits_billingperiod": (
        "id index starts_at ends_at term_starts_at term_ends_at term_days whole_days allowance allowance_per_user seats share used reserved"
        " opening_balance closing_balance closed_at wallet_id continues_at checksum"
    ),
    "credits_reservation": (
        "id status mode credits free_credits settled_credits late counter_ids work_type resource_type resource_id requested_model"
        " effective_model decision is_charged byok estimate rate_card settled_with limits metadata performed_by expires_at"
        " created_at closed_at actor_id group_id period_id wallet_id checksum"
    ),
    "credits_grantdraw": "id amount entry_id grant_id checksum",
}
"""The columns as they were when the checksums were last written."""
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
            f"SELECT count(*), count(*) FILTER (WHERE checksum = credits_checksum(r)) FROM {table} r"
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
        """A migration that changes them ends with `SELECT credits_write_checksums()`; then change them here."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
                " WHERE table_name = ANY(%s) GROUP BY 1",
                [list(COLUMNS)],
            )
            columns = {table: set(names) for table, names in cursor.fetchall()}

        assert columns == {table: set(names.split()) for table, names in COLUMNS.items()}


class TestWriteChecksums:
    def test_makes_every_row_fit_after_a_change_of_the_columns(self) -> None:
        make_world()
        with transaction.atomic(), connection.cursor() as cursor:
            for table in COLUMNS:
                cursor.execute(f"ALTER TABLE {table} ADD COLUMN note text DEFAULT 'none'")
            stale = [fitting(table)[1] for table in COLUMNS]

            cursor.execute("SELECT credits_write_checksums()")

            counts = [fitting(table) for table in COLUMNS]
            transaction.set_rollback(True)
        assert stale == [0, 0, 0, 0]
        assert all(rows == fit > 0 for rows, fit in counts)


class TestMigration:
    def test_can_be_taken_back_and_done_again_on_rows_that_are_there(self) -> None:
        make_world()
        migration = import_module("credits.migrations.0003_checksums")

        with transaction.atomic(), connection.cursor() as cursor:
            for statement in [*migration.BACKWARD, *migration.FORWARD]:
                cursor.execute(statement)

            counts = [fitting(table) for table in COLUMNS]
            transaction.set_rollback(True)
        assert all(rows == fit > 0 for rows, fit in counts)
