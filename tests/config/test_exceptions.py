"""How errors are answered: the code, the status, the envelope, and nothing that was not meant to be said."""

from typing import Any

import psycopg
import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.test import Client
from psycopg import errors
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from config import exceptions
from config.exceptions import Failure, envelope, explain
from organizations import statements
from tests.organizations.people import client_of, keys_path, organization


def from_database(state: str | None, kind: type[DatabaseError] = OperationalError) -> Exception:
    """Return Django's error for what PostgreSQL says with five characters."""
    cause = (
        errors.lookup(state)("secret table") if state else psycopg.OperationalError("secret host")
    )
    error = kind("secret table")
    error.__cause__ = cause
    return error


class TestExplainDatabase:
    @pytest.mark.parametrize(
        "state",
        [
            *("40001", "40P01", "55P03", "57014", "25P03", "53300", "57P01", "57P02", "57P03"),
            *("08000", "08003", "08006", "25006", "XX000", "0A000", "42883", None),
            # no memory, no room, no file; undone; canceled; a transaction that failed; a plan or cursor that is gone
            *("53000", "53100", "53200", "53400", "58000", "58030", "40002", "40003", "57P04"),
            *("57P05", "25P02", "25001", "26000", "34000", "XX001", "XX002"),
        ],
    )
    def test_asks_to_come_again_when_it_is_busy_or_gone(self, state: str | None) -> None:
        failure = explain(from_database(state))

        assert (failure.status, failure.code) == (503, "UNAVAILABLE")
        assert failure.headers == {"Retry-After": "1"}

    def test_asks_to_come_again_when_the_connection_was_closed(self) -> None:
        assert explain(InterfaceError("connection already closed")).status == 503

    def test_answers_a_unique_race_with_a_conflict(self) -> None:
        failure = explain(from_database("23505", IntegrityError))

        assert (failure.status, failure.code) == (409, "CONFLICT")

    def test_answers_a_race_with_a_delete_with_a_conflict(self) -> None:
        failure = explain(from_database("23503", IntegrityError))

        assert (failure.status, failure.code) == (409, "CONFLICT")

    @pytest.mark.parametrize("state", ["22003", "22021", "22P02", "22P05"])
    def test_blames_the_request_for_values_that_cannot_be_stored(self, state: str) -> None:
        assert explain(from_database(state)).status == 400

    @pytest.mark.parametrize("state", ["23514", "42P01", "42703"])
    def test_takes_the_blame_for_the_rest(self, state: str) -> None:
        failure = explain(from_database(state, IntegrityError))

        assert (failure.status, failure.code) == (500, "INTERNAL")

    @pytest.mark.parametrize("state", ["40001", "23505", "22003", "23514", None])
    def test_repeats_nothing_of_the_databases_words(self, state: str | None) -> None:
        assert "secret" not in explain(from_database(state)).message


class TestExplain:
    def test_takes_the_nearest_base(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Refused(Exception):
            details = {"reason": "cap"}

        class RefusedByCap(Refused):
            pass

        monkeypatch.setitem(exceptions.ERRORS, Refused, (402, "BILLING_EXHAUSTED"))

        failure = explain(RefusedByCap("5 available, 8 needed"))

        assert failure == Failure(
            402, "BILLING_EXHAUSTED", "5 available, 8 needed", {"reason": "cap"}
        )

    def test_tells_nothing_of_what_nobody_expected(self) -> None:
        failure = explain(KeyError("secret"))

        assert failure.status == 500
        assert "secret" not in failure.message

    def test_names_the_fields_that_are_wrong(self) -> None:
        error = ValidationError(
            {
                "name": ["Too long."],
                "users": [{}, {"limit": ["Negative."]}],
                "non_field_errors": ["x"],
            }
        )

        failure = explain(error)

        assert failure.status == 422
        assert failure.message == "name: Too long."
        assert failure.details == {
            "fields": {"name": ["Too long."], "users.1.limit": ["Negative."], "body": ["x"]}
        }

    def test_tells_of_a_hundred_errors_and_how_many_more_there_are(self) -> None:
        many = {str(number): {"name": ["Wrong.", "Twice."]} for number in range(1_000)}

        failure = explain(ValidationError({"events": many}))

        assert len(failure.details["fields"]) == 100
        assert failure.details["fields"]["events.99.name"] == ["Wrong.", "Twice."]
        assert failure.details["omitted"] == 900
        assert failure.message == "events.0.name: Wrong."

    def test_answers_400_for_what_django_finds_suspicious(self) -> None:
        assert explain(SuspiciousOperation("secret")).status == 400
        assert "secret" not in explain(SuspiciousOperation("secret")).message


class TestEnvelope:
    FAILURE = Failure(402, "BILLING_EXHAUSTED", "no credits", {"reason": "cap"})

    def test_of_layers(self) -> None:
        assert envelope(self.FAILURE, contract="layers", request_id="req_1") == (
            402,
            {
                "error": {
                    "code": "BILLING_EXHAUSTED",
                    "message": "no credits",
                    "requestId": "req_1",
                    "details": {"reason": "cap"},
                }
            },
        )

    def test_of_layers_leaves_out_empty_details(self) -> None:
        _, body = envelope(Failure(401, "U", "no"), contract="layers", request_id="req_1")

        assert body == {"error": {"code": "U", "message": "no", "requestId": "req_1"}}

    def test_of_omni(self) -> None:
        bad = Failure(422, "VALIDATION", "unknown field")
        limited = Failure(429, "RATE_LIMITED", "slow down")

        assert envelope(bad, contract="omni", request_id="") == (
            400,
            {"detail": "Bad Request: unknown field", "status": 400},
        )
        assert envelope(limited, contract="omni", request_id="") == (
            429,
            {"error": "429", "message": "slow down"},
        )

    def test_of_i5(self) -> None:
        assert envelope(self.FAILURE, contract="i5", request_id="") == (
            402,
            {
                "statusCode": 402,
                "error": "Payment Required",
                "message": "no credits",
                "code": "BILLING_EXHAUSTED",
            },
        )

    @pytest.mark.parametrize("status", [405, 413, 415])
    @pytest.mark.parametrize("contract", ["omni", "i5"])
    def test_is_of_layers_for_transport_errors_everywhere(self, contract: str, status: int) -> None:
        _, body = envelope(Failure(status, "X", "no"), contract=contract, request_id="req_1")

        assert body["error"]["requestId"] == "req_1"


@pytest.mark.django_db
class TestHandle:
    def broken(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Any:
        acme = organization()
        caller = client_of(acme)
        # By now all views are imported: one that was while it fails would keep what fails.
        assert caller.get(keys_path(acme)).status_code == 200

        def fail(*args: object, **kwargs: object) -> None:
            raise error

        monkeypatch.setattr("organizations.pagination.page", fail)
        return caller.get(keys_path(acme))

    def test_logs_a_bug_and_tells_only_its_request_id(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = self.broken(monkeypatch, RuntimeError("secret"))

        assert response.status_code == 500
        assert "secret" not in response.content.decode()
        assert response.json()["error"]["requestId"] == response["x-request-id"]
        assert "secret" in caplog.text

    def test_sends_retry_after_with_503(self, monkeypatch: pytest.MonkeyPatch) -> None:
        response = self.broken(monkeypatch, from_database("57P01"))

        assert (response.status_code, response["Retry-After"]) == (503, "1")

    @pytest.mark.parametrize("state", ["25006", "XX000", "0A000", "42883"])
    def test_lets_the_next_request_connect_anew_where_the_session_is_to_blame(
        self, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        monkeypatch.setattr(connection, "close_at", None)

        response = self.broken(monkeypatch, from_database(state))

        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert connection.close_at == 0

    def test_answers_503_when_the_database_is_gone_before_the_key_is_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acme = organization()
        caller = client_of(acme)

        def gone(*_: object) -> None:
            raise OperationalError("secret host") from psycopg.OperationalError("secret host")

        with monkeypatch.context() as patched:
            patched.setattr(statements, "fetch_one", gone)
            response = caller.get(keys_path(acme))

        assert response.status_code == 503
        assert "secret" not in response.content.decode()

    def test_answers_an_error_while_rendering(self, monkeypatch: pytest.MonkeyPatch) -> None:
        acme = organization()
        caller = client_of(acme)
        caller.raise_request_exception = False
        monkeypatch.setattr("config.renderers.ExactJSONRenderer.render", lambda *_, **__: 1 / 0)

        response = caller.get(keys_path(acme))

        assert response.status_code == 500
        assert response.json()["error"]["code"] == "INTERNAL"

    def test_says_a_request_id_on_every_response(self) -> None:
        acme = organization()
        caller = client_of(acme)

        ids = {
            response["x-request-id"]
            for response in (
                caller.get(keys_path(acme)),
                caller.get("/api/nowhere"),
                caller.get("/healthz"),
                Client().get("/api/v1/x", headers={"host": "evil.example"}),
            )
        }

        assert len(ids) == 4
        assert all(id.startswith("req_") for id in ids)


class TestHandlers:
    @pytest.mark.parametrize(
        ("path", "host", "status"),
        [
            ("/api/v1/nothing", "127.0.0.1", 404),
            ("/api/", "127.0.0.1", 404),
            ("/api/v1/nothing", "evil.example", 400),
            ("/api/v1/nothing", "a b", 400),
            ("/api/v1/nothing?a=%FF", "127.0.0.1", 400),
            ("/api/v1/nothing?a=%00", "127.0.0.1", 400),
            ("/api/v1/%00", "127.0.0.1", 404),
            ("/api/v1/%FF", "127.0.0.1", 404),
        ],
    )
    def test_speak_the_layers_envelope_below_api(self, path: str, host: str, status: int) -> None:
        response = APIClient().get(path, HTTP_HOST=host)

        assert response.status_code == status
        assert response.json()["error"]["requestId"] == response["x-request-id"]
        assert response["X-RateLimit-Endpoint-Class"] == "read-light"

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/api/v1/credits", {"error"}),
            ("/api/usage", {"statusCode", "error", "message", "code"}),
            ("/api/v1/ai/credit-controls", {"detail", "status"}),
        ],
    )
    def test_speak_for_the_contract_of_a_door_that_was_not_reached(
        self, path: str, fields: set[str]
    ) -> None:
        response = APIClient().get(f"{path}?a=%FF")

        assert response.status_code == 400
        assert response.json().keys() == fields

    def test_leave_other_paths_to_django(self) -> None:
        response = Client().get("/nothing")

        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")
