"""Real workers and beats on the test database, with a Redis of their own as the broker; and a way to kill them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import redis
from celery import Celery
from django.db import connection

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0
REDIS = shutil.which("redis-server")


class House:
    """What a test started, and only that, to be killed one by one or all at the end."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.port = _free_port()
        self.broker = f"redis://127.0.0.1:{self.port}/0"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.started = 0

    def start_redis(self) -> None:
        assert REDIS is not None
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", ".")
        self._start("redis", REDIS, *options)
        eventually(self._redis_answers)

    def start_worker(self, *, concurrency: int = 1) -> subprocess.Popen[bytes]:
        self.started += 1
        name = f"w{self.started}@test"
        options = ("--hostname", name, "--concurrency", str(concurrency), "--loglevel", "INFO")
        return self._start(
            name, *self._celery("worker", *options, "--without-gossip", "--without-mingle")
        )

    def start_beat(self) -> subprocess.Popen[bytes]:
        self.started += 1
        return self._start(f"beat{self.started}", *self._celery("beat", "--pidfile="))

    def ring(self, task: str) -> None:
        """Ring for a task as beat does."""
        with Celery(broker=self.broker) as app:
            app.send_task(task, queue="purser")

    def received(self, task: str) -> int:
        """Return how often the workers were handed a task, by their logs."""
        handed = re.compile(rf"Task {re.escape(task)}\[\S+\] received")
        return sum(len(handed.findall(log.read_text())) for log in self.folder.glob("w*.log"))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process with all its children, at once: none of them can say goodbye."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in reversed(self.processes):
            self.kill(process)

    def _celery(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "celery", "-A", "config", *arguments)

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder if name == "redis" else PROJECT,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        database = connection.settings_dict
        user = ":".join(filter(None, (database["USER"], database["PASSWORD"])))
        host = str(database["HOST"])
        # A socket's folder has its place behind the slash: a host name would be read in small letters.
        place = f"/{quote(host)}" if host.startswith("/") else f"{host}:{database['PORT']}"
        return {
            **os.environ,
            "DATABASE_URL": f"postgres://{user}@{place}/{database['NAME']}",
            "REDIS_URL": self.broker,
            "DATA_DIR": str(self.folder),
            **self.settings,
        }

    def _redis_answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def house(folder: Path, **settings: str) -> Iterator[House]:
    """Yield a house with a running broker; kill whatever was started in it."""
    built = House(folder, **settings)
    try:
        built.start_redis()
        yield built
    finally:
        built.stop()


def eventually(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something is so; return how many seconds that took. The test fails if it never is."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not so after {seconds:g} seconds"
        time.sleep(0.1)
    return time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
