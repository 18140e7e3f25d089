"""That the tests notice an answer that is not what the document says: each of these breaks one thing."""

from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from pytest_django.live_server_helper import LiveServer

from organizations.doors import REPLAYED, ApiView
from tests import factories as f
from tests.callers import Caller, caller_of
from tests.documented import Exchange, Undocumented, check, watching
from usage.serializers import reservations as shapes

NOBODYS = "rsv_00000000-0000-7000-8000-000000000000"

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return caller_of(f.make_organization(funded=100))


def changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    """Let every door answer something else than it does."""
    answer = ApiView.finalize_response

    def other(view: Any, request: Any, response: Any, *args: Any, **how: Any) -> Any:
        change(response)
        return answer(view, request, response, *args, **how)

    monkeypatch.setattr(ApiView, "finalize_response", other)


class TestCheck:
    def test_passes_what_is_documented(self, caller: Caller) -> None:
        assert caller.get("/credits").status_code == 200
        assert caller.get("/credits", asOf="yesterday").status_code == 422
        assert caller.get("/nowhere").status_code == 404
        assert caller.delete("/credits").status_code == 405

    @pytest.mark.parametrize(
        ("wrong", "complaint"),
        [
            ({"balance": "100"}, "balance"),
            ({"balance": None}, "balance"),
            ({"somethingNew": 1}, "somethingNew"),
            ({"currentPeriod": {"start": "yesterday"}}, "currentPeriod"),
        ],
    )
    def test_refuses_a_body_that_is_not(
        self,
        caller: Caller,
        monkeypatch: pytest.MonkeyPatch,
        wrong: dict[str, Any],
        complaint: str,
    ) -> None:
        changed(monkeypatch, lambda response: response.data.update(wrong))

        with pytest.raises(Undocumented, match=complaint):
            caller.get("/credits")

    def test_refuses_a_field_that_is_missing(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: response.data.pop("available"))

        with pytest.raises(Undocumented, match="available"):
            caller.get("/credits")

    def test_refuses_a_time_that_is_none(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: response.data["currentPeriod"].update(end="2026"))

        with pytest.raises(Undocumented, match="end"):
            caller.get("/credits")

    def test_refuses_an_error_in_another_envelope(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: response.data.update(statusCode=404))

        with pytest.raises(Undocumented, match="statusCode"):
            caller.get(f"/usage/reservations/{NOBODYS}")

    def test_refuses_a_status_that_is_not(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: setattr(response, "status_code", 202))

        with pytest.raises(Undocumented, match="may not answer 202"):
            caller.get("/credits")

    def test_refuses_a_header_that_is_not(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: response.__setitem__(REPLAYED, "true"))

        with pytest.raises(Undocumented, match="idempotency-replayed"):
            caller.get("/credits")

    def test_refuses_a_success_of_what_nobody_documented(self) -> None:
        with pytest.raises(Undocumented, match="does not have it"):
            check(Exchange("GET", "/api/v1/nowhere", "", 200, {}, b"{}"))

    def test_refuses_a_body_that_was_accepted_and_is_not(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            shapes.Ask, "run_validation", lambda self, data: {"credits": 5, "mode": "exact"}
        )

        with pytest.raises(Undocumented, match="the body that it accepted"):
            caller.post("/usage/check", {"estimatedCredits": 5, "colour": "red"})

    @pytest.mark.undocumented
    def test_lets_a_test_pass_that_means_it(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: response.data.update(colour="red"))

        assert caller.get("/credits").json()["colour"] == "red"


@pytest.mark.undocumented
@pytest.mark.django_db(transaction=True)
class TestWatching:
    def test_tells_at_the_end_what_a_server_in_a_thread_answered(
        self, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed(monkeypatch, lambda response: response.data.update(colour="red"))

        with pytest.raises(Undocumented, match="colour"), watching():
            urllib3.request("GET", f"{live_server.url}/api/v1/credits")
