"""What goes wrong around the application: locks that somebody holds, sessions that end, a database or a Redis that is not there."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import time_machine
from django.conf import settings
from django.db import OperationalError, connection, transaction

from config import throttling
from config.celery import app
from credits import ledger
from organizations.idempotency import sqlstate
from tests.callers import clock as clock
from tests.factories import (
    at,
    later,
    make_family,
    make_organization,
    reserve,
    spend,
    try_to_reserve,
    wallet_of,
)
from tests.races.crashpoints import IS_KILLED, TIMES_OUT, Command, Killer, try_every_death
from tests.races.state import state_of
from tests.races.threads import of, together
from tests.races.wsgi import Answer, Client

pytestmark = [
    pytest.mark.race,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("clock"),
]

Clock = time_machine.Traveller


def assert_unavailable(answer: object) -> None:
    """A 503 that says when to come back, in the envelope of the contract, and nothing of the error."""
    assert isinstance(answer, Answer)
    assert answer.status == 503, answer.content
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json["error"]["code"] == "UNAVAILABLE"
    assert "psycopg" not in answer.content.decode()


class Callers:
    """A family whose backends have called before, so that their keys are marked as used."""

    def __init__(self) -> None:
        self.parent, child = make_family(funded=1_000)
        self.of_parent, self.of_child = Client.of(self.parent), Client.of(child)
        self.allocation = f"/organizations/{child.public_id}/credits/allocate"
        assert self.allocate(50, key="k-before").status == 200
        self.hold = self.of_child.reserve(20).json["id"]

    def allocate(self, credits: int, *, key: str) -> Answer:
        return self.of_parent.post(self.allocation, {"credits": credits}, key=key)


CALLS: dict[str, Callable[[Callers], Answer]] = {
    "reserve": lambda callers: callers.of_child.reserve(10, key="k-reserve"),
    "settle": lambda callers: callers.of_child.settle(callers.hold, 10, key="k-settle"),
    "allocate": lambda callers: callers.allocate(10, key="k-allocate"),
}


@dataclass
class Timed:
    """What a call came to, and when it was over."""

    outcome: object
    seconds: float


def timed(call: Callable[[], object]) -> Callable[[], Timed]:
    def run() -> Timed:
        began = time.perf_counter()
        try:
            outcome = call()
        except OperationalError as error:
            outcome = error
        return Timed(outcome, time.perf_counter() - began)

    return run


class TestLockThatSomebodyHolds:
    def test_makes_its_wallet_wait_and_give_up_and_nobody_else(self) -> None:
        held, also_held, other = (make_organization(funded=100) for _ in range(3))
        held_client, other_client = Client.of(also_held), Client.of(other)

        with transaction.atomic():
            ledger.lock(held.id, also_held.id)
            service, http, *others = of(
                Timed,
                together(
                    timed(lambda: try_to_reserve(held, 1)),
                    timed(lambda: held_client.reserve(1)),
                    timed(lambda: try_to_reserve(other, 1)),
                    timed(lambda: other_client.reserve(1)),
                ),
            )

        assert isinstance(service.outcome, OperationalError)
        assert sqlstate(service.outcome) == "55P03"
        assert_unavailable(http.outcome)
        assert min(service.seconds, http.seconds) >= 4.9
        assert max(each.seconds for each in others) < min(service.seconds, http.seconds)
        assert wallet_of(other).reserved == 2
        assert held_client.reserve(1).status == 201

    def test_of_a_parent_does_not_stop_a_child_that_needs_no_refill(self) -> None:
        parent, child = make_family(funded=1_000, refill_threshold=100, refill_amount=500)
        reserve(child, 10)

        with transaction.atomic():
            ledger.lock(parent.id)
            (outcome,) = together(lambda: spend(child, 20))

        assert not isinstance(outcome, Exception)
        assert wallet_of(child).balance == 480


class TestSessionThatEnds:
    def test_between_two_requests_is_not_noticed(self) -> None:
        organization = make_organization(funded=100)
        client = Client.of(organization)
        assert client.get("/credits").status == 200

        with Killer() as killer:
            killer.kill()
        answer = client.reserve(10)

        assert answer.status == 201
        assert wallet_of(organization).reserved == 10

    @pytest.mark.parametrize("name", CALLS)
    def test_during_a_request_is_a_503_and_a_retry_has_the_one_effect(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Where the table of rate counters does not answer, memory counts: that is no failure to see here.
        monkeypatch.setattr("config.throttling.limit_of", lambda *_: None)
        answers: list[Answer] = []
        call = Command(
            arrange=Callers,
            act=lambda callers: answers.append(CALLS[name](callers)),
            state=lambda callers: state_of(callers.parent),
        )

        report = try_every_death(call, TIMES_OUT, IS_KILLED)

        assert report.failures == []
        failed = [answer for answer in answers if answer.status >= 500]
        assert len(failed) == report.deaths >= 3
        for answer in failed:
            assert_unavailable(answer)
        # Once to see what it does, once for each way of dying, and once where the key was looked up again.
        succeeded = [answer.status < 300 for answer in answers if answer not in failed]
        assert report.unnoticed == 1
        assert succeeded == [True] * 4

    def test_leaves_no_query_running_on_the_server(self) -> None:
        """A worker that is killed, or whose time is over, in the middle of an audit."""
        gone = connection.copy()
        gone.ensure_connection()
        pid = gone.connection.info.backend_pid
        gone.connection.pgconn.send_query(b"SELECT pg_sleep(600)")

        gone.connection.pgconn.finish()

        with connection.cursor() as cursor:
            for _ in range(200):
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid])
                (running,) = cursor.fetchone()
                if not running:
                    break
                time.sleep(0.1)
        assert not running


class TestDatabase:
    def test_that_is_not_there_is_a_503_and_the_next_request_works(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = Client.of(make_organization(funded=100))

        with refusing_port() as port, monkeypatch.context() as elsewhere:
            elsewhere.setitem(connection.settings_dict, "HOST", "127.0.0.1")
            elsewhere.setitem(connection.settings_dict, "PORT", port)
            connection.close()
            answers = [client.reserve(10), client.get("/credits")]

        for answer in answers:
            assert_unavailable(answer)
        assert client.reserve(10).status == 201

    def test_that_has_no_room_is_a_503_and_the_next_request_works(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = Client.of(make_organization(funded=100))

        with (
            psycopg.connect(**parameters(), autocommit=True) as watching,
            one_session_only() as login,
            monkeypatch.context() as as_login,
        ):
            as_login.setitem(connection.settings_dict, "USER", login["user"])
            as_login.setitem(connection.settings_dict, "PASSWORD", login["password"])
            connection.close()
            with psycopg.connect(**parameters(), autocommit=True) as the_one:
                pid = the_one.info.backend_pid
                crowded = client.reserve(10)
            wait_until_ended(pid, watching)
            answer = client.reserve(10)
            connection.close()

        assert_unavailable(crowded)
        assert answer.status == 201

    @pytest.fixture(autouse=True)
    def _reconnect(self) -> Iterator[None]:
        """Whatever a test did to the address, the next one begins with a session of its own."""
        yield
        connection.close()


class TestRedis:
    @pytest.fixture(params=["refuses", "hangs"])
    def redis(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[list[object]]:
        """Rate limits and messages would go to a Redis that is down; yields what it was asked."""
        asked: list[object] = []
        ask = throttling.Counters._hit_shared

        def listen(counters: throttling.Counters, *what: Any) -> Any:
            asked.append(what)
            return ask(counters, *what)

        monkeypatch.setattr(throttling.Counters, "_hit_shared", listen)
        # Longer than the test takes, on whatever machine.
        monkeypatch.setattr(throttling, "BREAK_SECONDS", 600.0)
        with {"refuses": refusing_port, "hangs": hanging_port}[request.param]() as port:
            url = f"redis://127.0.0.1:{port}/0"
            monkeypatch.setattr(throttling, "counters", throttling.Counters(url))
            monkeypatch.setattr(settings, "RATE_LIMIT_REQUEST_PATH", 1_000)
            monkeypatch.setitem(app.conf, "broker_url", url)
            yield asked

    def test_that_does_not_answer_neither_stops_money_nor_slows_it(
        self, redis: list[object]
    ) -> None:
        callers = Callers()
        answers = [call(callers) for call in CALLS.values() for _ in range(3)]

        assert [answer.status for answer in answers] == [201] * 3 + [200] * 6
        assert wallet_of(callers.parent).balance == 940
        # Given up on after a quarter of a second, and then left alone.
        assert len(redis) == 1


class TestWorkerThatIsStopped:
    """No task runs here: what time does happens with the next request."""

    def test_leaves_a_cap_to_begin_again_with_the_period(self, clock: Clock) -> None:
        client = Client.of(make_organization(funded=1_000, monthly_cap=50))
        assert client.reserve(50).status == 201
        assert client.reserve(1).json["error"]["details"]["reason"] == "cap"

        clock.move_to(at("2026-06-01"))

        assert client.reserve(50).status == 201

    def test_leaves_an_allowance_to_lapse_and_to_renew(self, clock: Clock) -> None:
        organization = make_organization(allowance=100)
        spend(organization, 30)

        clock.move_to(at("2026-07-02"))
        credits = Client.of(organization).get("/credits").json

        assert credits["balance"] == 100
        assert credits["currentPeriod"]["start"] == "2026-07-01T00:00:00.000Z"

    def test_lets_no_abandoned_hold_stand_in_the_way(self, clock: Clock) -> None:
        client = Client.of(make_organization(funded=100))
        assert client.reserve(100).status == 201

        clock.move_to(later(hours=1))

        assert client.reserve(100).status == 201

    def test_lets_the_next_request_refill_when_the_cooldown_is_over(self, clock: Clock) -> None:
        _, child = make_family(funded=1_000, refill_threshold=50, refill_amount=100)
        client = Client.of(child)
        assert client.reserve(80).status == 201
        assert client.reserve(80).status == 402

        clock.move_to(later(minutes=5))

        assert client.reserve(80).status == 201


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port of this machine where nobody answers, and nobody else can begin to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def hanging_port() -> Iterator[int]:
    """A port of this machine that takes connections and says nothing, ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield listening.getsockname()[1]


def parameters() -> dict[str, Any]:
    """Return how the application would connect now."""
    named = ("host", "port", "dbname", "user", "password")
    found = connection.get_connection_params()
    return {name: found[name] for name in named if name in found}


def wait_until_ended(pid: int, watching: "psycopg.Connection[Any]") -> None:
    """Return once the server has ended a session that was closed here: until then it takes up its place."""
    for _ in range(3_000):
        if (
            watching.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
            is None
        ):
            return
        watching.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the session goes on")


@contextmanager
def one_session_only() -> Iterator[dict[str, str]]:
    """A login that may do what ours may on the tables, in one session at a time."""
    name, password = f"purser_crowded_{os.getpid()}", "crowded"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' CONNECTION LIMIT 1")
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}")
        cursor.execute(f"GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {name}")
    try:
        yield {"user": name, "password": password}
    finally:
        with psycopg.connect(**parameters(), autocommit=True) as session:
            session.execute(f"DROP OWNED BY {name}")
            session.execute(f"DROP ROLE {name}")
