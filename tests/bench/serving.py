"""The servers that are measured: Purser as `make run` serves it, and bare ones beside it, each on a port of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 10.0
PURSER: Mapping[str, str] = {
    # The rate limit is on, so that it costs what it costs, and lets everybody through.
    "RATE_LIMIT_REQUEST_PATH": "1000000000",
    "STATEMENT_TIMEOUT_SECONDS": "15",
}
BARE = {**PURSER, "DJANGO_SETTINGS_MODULE": "tests.bench.settings", "BENCH_MIDDLEWARE": "none"}
FROZEN = {**BARE, "BENCH_MIDDLEWARE": "frozen"}


class CannotServe(Exception):
    """A server did not answer; the message has its last words."""


@dataclass(frozen=True)
class Server:
    """One that runs."""

    port: int
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Return the seconds that its processes have computed until now, without those of the kernel for them."""
        own = psutil.Process(self.process.pid)
        return sum(each.cpu_times().user for each in (own, *own.children(recursive=True)))


@contextmanager
def serving(environment: Mapping[str, str], *, log: Path, workers: int) -> Iterator[Server]:
    """Serve for the length of the block, with these variables beside the ones of this process."""
    port = _free_port()
    command = (
        *(sys.executable, "-m", "granian", "--interface", "rsgi", "--http", "1", "--no-ws"),
        *("--host", HOST, "--port", str(port), "--workers", str(workers)),
        "config.server:application",
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        _wait_for(port, process, log)
        yield Server(port, process)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that this one started, with those that it started itself."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        for each in psutil.wait_procs(children, timeout=1)[1]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers; what, is none of our business
        except OSError:
            time.sleep(0.2)
    raise CannotServe("\n".join(log.read_text(errors="replace").splitlines()[-5:]))
