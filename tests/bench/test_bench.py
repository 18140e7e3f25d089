"""The bench itself: what its quickest lines say on a small world, and that one can fail."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen, check_output

import psutil
import pytest

from organizations.ids import new_id
from tests.bench import functions, world
from tests.bench.bench import Bench, Options
from tests.bench.client import Answers, Step
from tests.bench.doors import throughput
from tests.bench.lines import LINES, measure
from tests.bench.measuring import Line, by_turns, percentile
from tests.bench.reporting import machine, table, write
from tests.bench.serving import Server
from tests.config.serving import environment
from tests.config.test_run import PROJECT
from tests.conftest import TEST_DATABASE_URL

SMALL = Options(
    seconds=1.0, rounds=1, pairs=8, workers=1, organizations=10, events=100, entries=100
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A world of ten organizations in the database of the tests; the servers start when a line asks for them."""
    made = world.make(SMALL.organizations)
    functions.make(made)
    found = Bench(made, SMALL, tmp_path, environment())
    with closing(found):
        yield found
    functions.drop()


class TestMeasure:
    # The bare functions write no hashes.
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.race
    @pytest.mark.broken_books
    def test_says_of_each_line_its_value_and_what_bounds_it(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        names = ["schema_cost", "http_pairs_spread", "http_balance"]
        path = tmp_path / "var" / "bench.json"

        lines = list(measure(bench, names))

        write(path, machine(), lines)
        said = json.loads(path.read_text())
        assert set(said) == {"machine", "lines"}
        assert {"cores", "postgresql", "fsync"} <= set(said["machine"])
        assert [line["name"] for line in said["lines"]] == names
        for line in said["lines"]:
            assert "problems" not in line, errors_in(bench.log)
            assert line["value"] > 0
            assert line["ratio"] == pytest.approx(line["value"] / line["ceiling"], rel=0.01)
        assert [line["unit"] for line in said["lines"]] == ["ms", "pairs/s", "requests/s"]
        assert all(0 < line["p50"] <= line["p99"] for line in said["lines"][1:])
        assert names[0] in table(lines)

    def test_fails_a_line_that_breaks_and_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nobody = Bench(world.World([]), SMALL, tmp_path)
        monkeypatch.setitem(LINES, "breaks", lambda bench, name: Line(name, 1 / 0, "", None))
        monkeypatch.setitem(LINES, "works", lambda bench, name: Line(name, 3.0, "ms", 2.0))

        broken, working = measure(nobody, ["breaks", "works"])

        assert broken.value is None
        assert broken.problems == ["ZeroDivisionError: division by zero"]
        assert broken.as_json()["ratio"] is None
        assert working.ratio == 1.5


class TestSettings:
    def test_leave_to_django_what_purser_leaves_out(self) -> None:
        asked = "import django; django.setup(); from django.core import cache, signals; print(signals.request_finished.disconnect(cache.close_caches))"
        settings = {"DJANGO_SETTINGS_MODULE": "tests.bench.settings", "BENCH_MIDDLEWARE": "none"}

        said = check_output([sys.executable, "-c", asked], env={**environment(), **settings})

        assert said == b"True\n"


class TestAsk:
    def test_counts_what_is_refused_and_what_is_lost(self, tmp_path: Path) -> None:
        caller = world.Caller(new_id(), new_id(), "lp_test")
        bench = Bench(world.World([caller]), SMALL, tmp_path)

        with answering(503, 503, None, 200) as port:
            answers = bench.ask(
                Server(port, Popen("true")),
                Step("POST", "/{n}", "{}"),
                callers=[caller],
                connections=1,
            )

        assert answers.failures == {"503": 2, "lost": 1}
        line = throughput("x", "requests/s", [answers], [Answers(seconds=1.0, rounds=1)])
        assert line.problems == ["2 × 503", "1 × lost"]
        assert line.as_json()["problems"] == line.problems
        # What was answered after the end counts for nothing.
        assert answers.requests - 3 <= answers.rounds <= answers.requests - 2

    def test_waits_as_long_as_it_is_told_if_it_is_patient(self, tmp_path: Path) -> None:
        caller = world.Caller(new_id(), new_id(), "lp_test")
        bench = Bench(world.World([caller]), SMALL, tmp_path)

        with answering(*[503] * 100) as port:
            answers = bench.ask(
                Server(port, Popen("true")),
                Step("GET", "/"),
                callers=[caller],
                connections=2,
                is_patient=True,
            )

        assert answers.failures == {}
        assert answers.requests <= 4


def errors_in(log: Path) -> str:
    """Return what the servers said from their first error on."""
    said = log.read_text(errors="replace")
    return said[max(0, said.find("Traceback") - 500) :][:8_000]


@contextmanager
def answering(*statuses: int | None) -> Iterator[int]:
    """Answer so, then always as the last time; None hangs up."""
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = left.pop(0) if len(left) > 1 else left[0]
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class TestThroughput:
    def test_counts_whole_rounds_of_all_turns_and_names_each_failure(self) -> None:
        first = Answers(seconds=2.0, rounds=10, milliseconds=[1.0, 3.0])
        second = replace(first, rounds=30, failures={"503": 2})

        line = throughput("x", "pairs/s", [first, second], [Answers(seconds=1.0, rounds=20)])

        assert (line.value, line.ceiling, line.ratio) == (10, 20, 0.5)
        assert line.problems == ["2 × 503"]


class TestByTurns:
    def test_turns_the_order_round(self) -> None:
        order: list[str] = []

        by_turns("x", 2, {side: lambda side=side: order.append(side) for side in "ab"})  # type: ignore[misc]

        assert order == ["a", "b", "b", "a"]


class TestPercentile:
    def test_is_the_value_below_which_so_many_lie(self) -> None:
        assert percentile(range(1, 101), 0.99) == 100
        assert percentile(range(1, 101), 0.5) == 51


@pytest.mark.slow
class TestMain:
    def test_ends_what_it_started_when_it_is_stopped(self, tmp_path: Path) -> None:
        folder, output = tmp_path / "bench", tmp_path / "bench.json"
        options = ("--only", "http_balance", "--organizations", "10", "--output", str(output))
        outside = {
            n: v for n, v in os.environ.items() if n not in (TEST_DATABASE_URL, "DATABASE_URL")
        }
        with Popen(
            [sys.executable, "-m", "tests.bench", "--seconds", "5", *options],
            cwd=PROJECT,
            env={**outside, "DATA_DIR": str(folder)},
            stdout=PIPE,
            text=True,
        ) as bench:
            assert bench.stdout is not None
            assert any("http_balance: Purser, round 1" in line for line in bench.stdout)
            started = psutil.Process(bench.pid).children(recursive=True)

            bench.send_signal(signal.SIGINT)

            assert bench.wait(60)
        assert len(started) > 2
        assert not psutil.wait_procs(started, timeout=10)[1]
        assert not folder.exists()
