"""`make run` as somebody at a terminal meets it: it serves, it survives, and it stops."""

import contextlib
import http.client
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config import embedded
from config.privileges import APP
from tests.documented import Exchange, check

pytestmark = [pytest.mark.xdist_group("run"), pytest.mark.servers]

PROJECT = Path(__file__).resolve().parents[2]
# Generous, for other tests run beside these, on a machine that others share: on its own it takes a tenth of it.
READY_SECONDS = 400
STOP_SECONDS = 60


class House:
    """One `make run` with a folder and a port of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.make: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Return ours, a REDIS_URL included, without the database of the tests."""
        outside = {"DATABASE_URL", "PURSER_TEST_DATABASE_URL"}
        inherited = {name: value for name, value in os.environ.items() if name not in outside}
        return {**inherited, "DATA_DIR": str(self.data_dir), "PORT": str(self.port)}

    @property
    def output(self) -> str:
        return (self.data_dir / "output").read_text()

    def start(self, **settings: str) -> subprocess.Popen[bytes]:
        """Run the recipe of `make run` with this Python, as the leader of a group of its own."""
        command = [
            "make",
            "run",
            "-o",
            ".venv/requirements.lock",
            f"BIN={Path(sys.executable).parent}",
        ]
        self.data_dir.mkdir(exist_ok=True)
        with open(self.data_dir / "output", "w") as output:
            self.make = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**self.environment, **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.make

    def start_and_wait(self) -> None:
        make = self.start()
        assert eventually(lambda: "Purser is ready" in self.output or make.poll() is not None)
        assert make.poll() is None, self.output

    def stop(self, *signals: Callable[[int], None]) -> None:
        """Send each signal to the process id of make, which is also the group's."""
        assert self.make is not None
        for send in signals:
            send(self.make.pid)
        self.make.wait(timeout=STOP_SECONDS)

    def remains(self) -> list[str]:
        """Return the command lines of what is still there after a while: of nothing, if all went."""
        eventually(lambda: self.processes() == [], seconds=STOP_SECONDS)
        return [str(process.as_dict(["pid", "cmdline"])) for process in self.processes()]

    def healthz(self) -> int:
        return request(self.port, "GET", "/healthz")[0]

    def processes(self) -> list[psutil.Process]:
        """Return whatever runs for this house, the database included."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            told = process.environ().get("DATA_DIR") == str(self.data_dir)
            return told or any(str(self.data_dir) in word for word in process.cmdline())
        return False

    def supervisor(self) -> psutil.Process:
        assert self.make is not None
        [child] = psutil.Process(self.make.pid).children()
        return child

    def database(self) -> int | None:
        """Return the process id of the PostgreSQL of this house; none while there is nothing written of it."""
        with contextlib.suppress(OSError, ValueError):
            folder = embedded.folder_in(self.data_dir)
            return int((folder / "postmaster.pid").read_text().split("\n")[0])
        return None

    def programs(self, module: str) -> list[psutil.Process]:
        found = []
        for child in self.supervisor().children():
            with contextlib.suppress(psutil.Error):
                if module in child.cmdline():
                    found.append(child)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(is_true: Callable[[], bool], *, seconds: float = READY_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def request(
    port: int,
    method: str,
    path: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Return status and body; status 0 if nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        said = answer.status, dict(answer.headers), content
        check(Exchange(method, path.partition("?")[0], body or "", *said))
        return answer.status, content
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def term(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def term_group(pid: int) -> None:
    os.killpg(pid, signal.SIGTERM)


def interrupt_group(pid: int) -> None:
    """What Ctrl-C does."""
    os.killpg(pid, signal.SIGINT)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house") / "var")
    yield house
    for process in house.processes():
        with contextlib.suppress(psutil.Error):
            process.kill()


@pytest.fixture
def running(made_once: House) -> House:
    """Return the house, started unless the test before left it running."""
    if made_once.make is None or made_once.make.poll() is not None:
        made_once.start_and_wait()
    return made_once


class TestServing:
    def test_answers_when_it_says_that_it_is_ready(self, running: House) -> None:
        assert running.healthz() == 200

    def test_prints_a_curl_that_works_as_printed(self, running: House) -> None:
        [line] = re.findall(r"^  (curl .*)$", running.output, re.MULTILINE)
        words = shlex.split(line)
        method, url, body = words[2], words[3], words[words.index("-d") + 1]
        headers = dict(
            word.split(": ", 1) for flag, word in itertools.pairwise(words) if flag == "-H"
        )

        path = url.removeprefix(f"http://127.0.0.1:{running.port}")
        status, answer = request(running.port, method, path, body, headers)

        assert status == 201
        assert json.loads(answer)["credits"] == 10

    def test_prints_the_login_of_the_admin_and_both_keys(self, running: House) -> None:
        assert re.search(r"login +\S+ / \S+", running.output)
        assert len(set(re.findall(r"key +(lp_\w+)", running.output))) == 2

    def test_serves_the_gateway_of_the_examples(self, running: House) -> None:
        demo = [sys.executable, "manage.py", "demo", "--json"]
        told = subprocess.check_output(demo, cwd=PROJECT, env=running.environment)
        actor = json.loads(told)["actor"]
        url = f"http://127.0.0.1:{running.port}/api"
        who = ["--url", url, "--api-key", actor["apiKey"], "--actor", actor["actorId"]]

        gateway = subprocess.run(
            [sys.executable, "examples/gateway.py", *who],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert gateway.returncode == 0, gateway.stdout + gateway.stderr

    def test_serves_the_static_files_of_the_admin(self, running: House) -> None:
        page = request(running.port, "GET", "/admin/login/")[1].decode()
        [*sheets] = re.findall(r'href="(/static/[^"]+\.css)"', page)

        assert sheets
        assert {request(running.port, "GET", sheet)[0] for sheet in sheets} == {200}

    def test_has_a_worker_that_does_its_tasks(self, running: House) -> None:
        command = [sys.executable, "-m", "celery", "-A", "config", "call", "credits.tasks.renew"]

        subprocess.run(command, cwd=PROJECT, env=running.environment, check=True)

        done = re.compile(r"Task credits\.tasks\.renew\[\S+\] succeeded")
        assert eventually(lambda: bool(done.search(running.output)))

    def test_connects_to_its_database_as_who_may_do_no_more_than_it_does(
        self, running: House
    ) -> None:
        host = str(embedded.socket_folder(embedded.folder_in(running.data_dir)))
        sessions = "SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        with psycopg.connect(host=host, user=embedded.USER, dbname=embedded.DATABASE) as owner:
            assert owner.execute(sessions).fetchall() == [(APP,)]
        ours = psycopg.connect(host=host, user=APP, dbname=embedded.DATABASE)
        with ours as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("UPDATE credits_ledgerentry SET amount = 0")

    def test_keeps_its_secrets_to_its_owner(self, running: House) -> None:
        modes = {
            name: (running.data_dir / name).stat().st_mode & 0o777
            for name in ("secret_key", "demo.json", "run.lock", "postgres.users", "postgres.lock")
        }
        folders = {
            name: (running.data_dir / name).stat().st_mode & 0o777
            for name in ("postgres", "broker", "broker/messages", "broker/control")
        }

        assert set(modes.values()) == {0o600}
        assert set(folders.values()) == {0o700}


class TestSurviving:
    def test_starts_the_web_server_again(self, running: House) -> None:
        [killed] = running.programs("granian")

        killed.kill()

        # That it was away may be too short to be seen.
        assert eventually(lambda: running.programs("granian") not in ([], [killed]))
        assert eventually(lambda: running.healthz() == 200)

    def test_starts_the_worker_again(self, running: House) -> None:
        [killed] = running.programs("worker")

        killed.kill()

        assert eventually(lambda: running.programs("worker") not in ([], [killed]))

    def test_starts_the_database_again(self, running: House) -> None:
        killed = running.database()
        assert killed is not None

        os.kill(killed, signal.SIGKILL)

        assert eventually(lambda: running.database() not in (None, killed))
        assert eventually(lambda: running.healthz() == 200)

    def test_starts_after_a_kill_of_everything(self, running: House) -> None:
        for process in running.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

        running.start_and_wait()

        assert running.healthz() == 200


class TestTwoCopies:
    @pytest.mark.slow
    def test_run_side_by_side(self, running: House, tmp_path: Path) -> None:
        other = House(tmp_path / "var")
        shutil.copytree(running.data_dir / "static", other.data_dir / "static")
        other.start_and_wait()

        assert (running.healthz(), other.healthz()) == (200, 200)

        other.stop(interrupt_group)
        assert other.remains() == []
        assert running.healthz() == 200


class TestRefusing:
    def refuse(self, house: House, **settings: str) -> str:
        assert house.start(**settings).wait(timeout=READY_SECONDS) != 0
        sentences: list[str] = re.findall(r"^make run: (.*)$", house.output, re.MULTILINE)
        assert len(sentences) == 1, house.output
        assert "Traceback" not in house.output
        return sentences[0]

    def test_says_that_the_port_is_taken(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])

            sentence = self.refuse(House(tmp_path / "var"), PORT=port)

        assert sentence.startswith(f"port {port} is not free")

    def test_says_that_the_folder_is_taken(self, running: House) -> None:
        second = House(running.data_dir.with_name("second"))

        sentence = self.refuse(second, DATA_DIR=str(running.data_dir))

        assert sentence.startswith(f"another one runs in {running.data_dir}")

    def test_says_that_the_database_does_not_answer(self, tmp_path: Path) -> None:
        url = f"postgres://nobody@127.0.0.1:{free_port()}/nothing"

        sentence = self.refuse(House(tmp_path / "var"), DATABASE_URL=url)

        assert sentence.startswith("the database does not answer")

    def test_says_which_setting_is_wrong(self, tmp_path: Path) -> None:
        sentence = self.refuse(House(tmp_path / "var"), HTTPS="perhaps")

        assert sentence == "a setting is wrong: HTTPS=perhaps is neither true nor false"


class TestStopping:
    def test_leaves_no_process_behind_when_the_group_is_told_twice(self, running: House) -> None:
        running.stop(term_group, term_group)

        assert running.remains() == []
        assert running.output.endswith("Purser has stopped.\n")

    def test_works_through_make_while_it_is_still_starting(self, made_once: House) -> None:
        made_once.start()
        assert eventually(lambda: embedded.is_answering(embedded.folder_in(made_once.data_dir)))

        made_once.stop(term)

        assert made_once.remains() == [], made_once.output
