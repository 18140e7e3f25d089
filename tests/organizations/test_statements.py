"""Statements written by hand: one plan for all values, one round trip, and what is told when the connection is gone."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from organizations.models import Organization
from organizations.statements import Columns, fetch_all, fetch_one, read_one
from tests.factories import make_organization
from tests.trips import round_trips

pytestmark = pytest.mark.django_db(transaction=True)

ID = UUID("01980000-0000-7000-8000-000000000000")
MOMENT = datetime(2026, 5, 10, 12, 0, 0, 123456, tzinfo=UTC)


def end_session() -> None:
    """End this thread's session, as an administrator or a restart of the server does."""
    connection.ensure_connection()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid]
        )
    other.close()


class TestFetchOne:
    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("uuid", ID),
            ("timestamptz", MOMENT),
            ("numeric", Decimal("1E+12")),
            ("numeric", Decimal("-0.000001")),
            ("bigint", 2**62),
            ("bool", True),
            ("text", 'Zoë \\ "quoted" {a,b}'),
            ("bytea", bytes(range(256))),
            ("text[]", ["", "NULL", None, 'a"b\\c', "{,}"]),
            ("uuid[]", [ID, ID]),
            ("bytea[]", [b"\\x", b'"', None]),
            ("numeric[]", [Decimal("1.50"), None]),
            ("bigint[]", []),
            ("text", None),
        ],
    )
    def test_brings_every_value_back(self, kind: str, value: Any) -> None:
        assert fetch_one(f"SELECT %s::{kind}", [value]) == (value,)

    def test_refuses_what_has_no_form(self) -> None:
        with pytest.raises(TypeError):
            fetch_one("SELECT %s::text", [{"a": 1}])

    def test_is_none_without_a_row(self) -> None:
        assert fetch_one("SELECT 1 WHERE false") is None

    def test_plans_once_whatever_is_null_and_however_large_numbers_are(self) -> None:
        sql = "SELECT %s::bigint, %s::uuid"
        fetch_one(sql, [1, None])

        with round_trips() as trips:
            fetch_one(sql, [None, ID])
            fetch_one(sql, [2**40, ID])

        assert trips.sent == [["Bind", "Describe", "Execute"]] * 2

    def test_leaves_other_cursors_unprepared(self) -> None:
        count = "SELECT count(*) FROM pg_prepared_statements"
        before = fetch_one(count)

        with connection.cursor() as cursor:
            for number in range(20):
                cursor.execute("SELECT %s", [number])

        assert connection.connection.prepare_threshold is None
        assert fetch_one(count) == before

    def test_joins_a_transaction(self) -> None:
        with transaction.atomic():
            fetch_one("INSERT INTO organizations_ratecount VALUES ('k', 1, now()) RETURNING name")
            transaction.set_rollback(True)

        assert fetch_all("SELECT name FROM organizations_ratecount") == []

    def test_raises_the_errors_of_django(self) -> None:
        with pytest.raises(DataError):
            fetch_one("SELECT %s::uuid", ["no id"])

    def test_remembers_its_plans_after_a_rollback(self) -> None:
        fetch_one("SELECT 1")
        with transaction.atomic():
            fetch_one("SELECT 1")
            transaction.set_rollback(True)

        with round_trips() as trips:
            fetch_one("SELECT 1")

        assert trips.count == 1, trips

    def test_lets_the_session_forget_what_is_too_much(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("organizations.statements.KEPT", 2)
        connection.close()

        for number in range(5):
            fetch_one(f"SELECT {number}")

        assert fetch_one("SELECT count(*) FROM pg_prepared_statements") == (2,)

    def test_is_captured_like_every_other_statement(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            fetch_one("SELECT %s::int", [7])

        assert len(queries) == 1

    def test_is_not_sent_again_when_the_connection_is_gone(self) -> None:
        end_session()

        with pytest.raises(OperationalError):
            fetch_one("SELECT 1")

        connection.close()


class TestReadOne:
    def test_connects_and_asks_again(self) -> None:
        end_session()

        assert read_one("SELECT %s::int", [7]) == (7,)

    def test_asks_once_while_all_is_well(self) -> None:
        read_one("SELECT 1")

        with round_trips() as trips:
            read_one("SELECT 1")

        assert trips.count == 1, trips

    def test_asks_nothing_again_within_a_transaction(self) -> None:
        with transaction.atomic():
            end_session()

            with pytest.raises(OperationalError):
                read_one("SELECT 1")
            transaction.set_rollback(True)

    def test_asks_nothing_again_of_a_server_that_refused(self) -> None:
        with round_trips() as trips, pytest.raises(OperationalError):
            read_one("DO $$BEGIN RAISE 'too long' USING ERRCODE = '57014'; END$$")

        assert trips.count == 1, trips


class TestRoundTrips:
    """The counter that other tests rely on."""

    def test_sees_what_hides(self) -> None:
        fetch_one("SELECT 1")

        with round_trips() as trips, transaction.atomic():
            fetch_one("SELECT 1")
            connection.is_usable()
            fetch_all("SELECT\n2")

        assert trips.sent == [
            ["BEGIN"],
            ["Bind", "Describe", "Execute"],
            ["SELECT 1"],
            ["Bind", "Describe", "Execute"],
            ["COMMIT"],
        ]
        assert trips.prepared == ["SELECT 2"]

    def test_sees_a_new_connection_and_what_is_sent_over_it(self) -> None:
        with round_trips() as trips:
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 5")

        assert trips.sent == [["a new connection"], ["SELECT 5"]]


class TestColumns:
    """What the lookup of a key makes of a row is what Django makes of it."""

    def test_make_the_same_instance_as_a_queryset(self) -> None:
        organization = make_organization("Acme")
        columns = Columns(Organization, "o")
        sql = f"SELECT {columns.sql} FROM organizations_organization o WHERE o.id = %s"

        row = fetch_one(sql, [organization.id])
        assert row is not None
        found = columns.take(iter(row))

        assert found is not None
        expected = Organization.objects.get(id=organization.id)
        told, state = vars(found), vars(found.__dict__.pop("_state"))
        assert state == vars(vars(expected).pop("_state"))
        assert told | {"metadata": {}} == vars(expected)

    def test_leave_out_what_is_asked_for_when_it_is_needed(self) -> None:
        organization = make_organization("Acme")
        columns = Columns(Organization, "o", only=["id", "name"])
        sql = f"SELECT {columns.sql} FROM organizations_organization o WHERE o.id = %s"

        row = fetch_one(sql, [organization.id])
        assert row is not None
        found = columns.take(iter(row))

        assert found is not None
        assert found.get_deferred_fields() >= {"status", "metadata"}
        assert (found.name, found.status, found.metadata) == ("Acme", "active", {})

    def test_make_nothing_of_a_join_that_found_nothing(self) -> None:
        columns = Columns(Organization, "o")

        assert columns.take(iter([None] * len(columns.names))) is None
