"""The example of a client: its scene holds against the real application, also where answers get lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import urllib3
from pytest_django.live_server_helper import LiveServer

from credits.models import LedgerEntry, Reservation
from examples.gateway import Gateway, Job, Journal, Provider, Purser, PurserError, play
from organizations.models import Organization
from tests.factories import NOW, make_key, make_organization, reserve, suspend, wallet_of
from tests.usage.people import make_actor, make_model
from usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def customer() -> Organization:
    """Somebody with credits, where a model costs 100 credits per million tokens."""
    make_model("mini", credits_per_million=100)
    return make_organization(funded=10)


@pytest.fixture
def gateway(customer: Organization, live_server: LiveServer, tmp_path: Path) -> Gateway:
    return gateway_at(live_server.url, customer, tmp_path)


def gateway_at(url: str, customer: Organization, folder: Path) -> Gateway:
    _, key = make_key(customer)
    return Gateway(Purser(f"{url}/api", key), Journal(folder / "journal"), "mini")


class TestScene:
    def test_runs_as_a_program(self, customer: Organization, live_server: LiveServer) -> None:
        actor = make_actor(customer)
        _, key = make_key(customer, actor=actor, scopes=["usage:read", "usage:write"])
        who = ["--actor", actor.public_id, "--model", "mini"]
        program = [sys.executable, "examples/gateway.py", "--url", f"{live_server.url}/api", *who]
        environment = os.environ | {"PURSER_API_KEY": key}

        ran = subprocess.run(
            program, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )

        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "NOT" not in ran.stdout
        assert {event.actor for event in UsageEvent.objects.select_related("actor")} == {actor}

    def test_leaves_nothing_held_and_charges_what_was_streamed(
        self, gateway: Gateway, customer: Organization
    ) -> None:
        assert play(gateway)

        told = UsageEvent.objects.order_by("output_tokens").values_list("output_tokens", flat=True)
        assert list(told) == [50, 80, 120, 700]
        assert wallet_of(customer).reserved == 0
        assert not Reservation.objects.filter(status="open").exists()
        assert gateway.journal.read() == {}

    def test_says_what_the_key_does_not_open(self, live_server: LiveServer, tmp_path: Path) -> None:
        purser = Purser(f"{live_server.url}/api", "lp_live_nobody")

        with pytest.raises(PurserError, match="401"):
            play(Gateway(purser, Journal(tmp_path / "journal"), "mini"))


class TestServe:
    def test_says_why_it_refused(self, gateway: Gateway, customer: Organization) -> None:
        served = gateway.serve(Job("r-1", prompt=2_000_000, most=100), Provider())

        assert served.outcome == "refused: balance"
        assert gateway.journal.read() == {}
        assert wallet_of(customer).balance == 10

    def test_cuts_an_answer_short_where_no_more_is_affordable(
        self, gateway: Gateway, customer: Organization
    ) -> None:
        # 10 credits buy 100,000 tokens.
        served = gateway.serve(Job("r-1", prompt=99_700, most=900), Provider(tokens=900))

        assert served.outcome.startswith("cut short")
        assert served.tokens == 200
        assert wallet_of(customer).balance == wallet_of(customer).available

    def test_charges_no_more_than_was_asked_for(self, gateway: Gateway) -> None:
        served = gateway.serve(Job("r-1", prompt=900, most=300), Provider(tokens=900))

        assert (served.tokens, served.outcome) == (300, "answered")


class LosingAnswers(BaseHTTPRequestHandler):
    """A proxy that lets the first request of each key through and loses its answer: a 503, or nothing at all."""

    target: str
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        names = ("Authorization", "Content-Type", "Idempotency-Key")
        sent = {name: self.headers[name] for name in names if name in self.headers}
        answer = urllib3.request("POST", self.target + self.path, body=body, headers=sent)
        key = self.headers["Idempotency-Key"] or ""
        self.seen.append(key)
        if key and self.seen.count(key) == 1:
            self._lose()
            return
        self._send(answer.status, answer.data)

    def _lose(self) -> None:
        if len(set(self.seen)) % 2:
            self._send(503, b"{}")
        else:
            self.close_connection = True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def proxy(live_server: LiveServer) -> Iterator[tuple[type[LosingAnswers], str]]:
    attributes = {"target": live_server.url, "seen": []}
    handler = type("Handler", (LosingAnswers,), attributes)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestLostAnswers:
    def test_are_asked_for_again_with_the_same_key(
        self, proxy: tuple[type[LosingAnswers], str], customer: Organization, tmp_path: Path
    ) -> None:
        handler, url = proxy
        gateway = gateway_at(url, customer, tmp_path)

        served = gateway.serve(Job("r-1", prompt=900, most=1_000), Provider(tokens=300))

        assert handler.seen == [
            *("r-1-reserve", "r-1-reserve", "r-1-grow-400", "r-1-grow-400"),
            *("r-1-settle", "r-1-settle"),
        ]
        assert Reservation.objects.count() == 1
        assert LedgerEntry.objects.filter(kind="settle").count() == 1
        assert wallet_of(customer).balance == 10 - served.credits
        assert served.credits > 0


class TestRecover:
    def test_forgets_what_produced_nothing_and_expired(
        self, gateway: Gateway, customer: Organization
    ) -> None:
        hold = reserve(customer, 1, now=NOW)
        work = {"reservation": hold.public_id, "inputTokens": 900, "outputTokens": 0}
        gateway.journal.note("r-1", work)

        gateway.recover()

        assert gateway.journal.read() == {}
        assert wallet_of(customer).balance == 10

    def test_settles_what_a_crash_left_over(
        self, gateway: Gateway, customer: Organization, tmp_path: Path
    ) -> None:
        _, hold = gateway.purser.post(
            "/reservations", {"model": "mini", "inputTokens": 900, "maxOutputTokens": 50}, "r-1"
        )
        work = {"reservation": hold["id"], "inputTokens": 900, "outputTokens": 40}
        gateway.journal.note("r-1", work)
        after = Gateway(gateway.purser, Journal(tmp_path / "journal"), "mini")

        found = after.recover()

        assert found["r-1"]["status"] == "settled"
        assert wallet_of(customer).balance == 10 - found["r-1"]["settledCredits"]
        assert after.recover() == {}


class TestSwitchedOff:
    def test_is_not_asked_again(
        self, gateway: Gateway, customer: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        suspend(customer)
        pauses: list[float] = []
        monkeypatch.setattr("examples.gateway.time.sleep", pauses.append)

        with pytest.raises(PurserError, match="KILL_SWITCH"):
            gateway.serve(Job("r-1", prompt=900, most=100), Provider())

        assert pauses == []


class TestJournal:
    def test_keeps_every_job_of_many_at_once(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal")
        jobs = [f"job-{number}" for number in range(50)]

        def work_on(job: str) -> None:
            for tokens in range(10):
                journal.note(job, {"outputTokens": tokens})

        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(work_on, jobs))

        assert journal.read() == {job: {"outputTokens": 9} for job in jobs}
        journal.note("job-7", None)
        assert set(journal.read()) == set(jobs) - {"job-7"}
