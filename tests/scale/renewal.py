"""Measures the renewal of many organizations, and what the callers of the API notice of it.

`make scale ARGS=--renewal ORGANIZATIONS=10000` makes a database of its own and fills it with organizations whose month ended. Two workers renew them with
nothing beside them. It fills it again and serves it, measures the API alone, then one worker (`manage.py renew`) with the API beside it, and
checks the books at the end. What it prints is what docs/scale.md quotes.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psutil
from django.core.management import call_command
from django.db import connections

from config import roles
from credits import verification
from credits.models import BillingPeriod, Wallet
from credits.services import create_organization, grant
from organizations.services import mint_key
from tests.scale.build import build
from tests.scale.load import Load

QUIET_SECONDS = 60.0
"""How long the API is measured alone, before the renewal and after it."""
CALLERS = 4
HOST = "127.0.0.1"
VERIFIED = 1_000


def measure(count: int, *, pairs_a_second: float) -> None:
    _fill(count)
    took, memory = _renew(workers=2)
    _tell(count, took, memory, "by two workers, alone")
    keys = _fill(count, callers=CALLERS)
    with _server() as port, Load(port, keys, pairs_a_second=pairs_a_second) as load:
        time.sleep(10)
        load.swap()
        time.sleep(QUIET_SECONDS)
        quiet = load.swap()
        took, memory = _renew(workers=1)
        busy = load.swap()
        time.sleep(QUIET_SECONDS)
        quiet.add(load.swap())
    _tell(count, took, memory, "by one worker, beside the API")
    for name, timings in (("without", quiet), ("during", busy)):
        shares = " ".join(
            f"p{s * 100:g} {timings.percentile(s) * 1e3:.1f}" for s in (0.5, 0.95, 0.99)
        )
        say(
            f"API {name}: {len(timings.seconds):,} requests, ms: {shares}, refused {len(timings.others)}"
        )
    say(f"p99 during / without: {busy.percentile(0.99) / quiet.percentile(0.99):.2f}")
    _audit(2 * count)


def _tell(count: int, took: float, memory: Sequence[float], how: str) -> None:
    say(f"{count:,} organizations renewed {how}, in {took:.1f} s: {count / took:,.0f} a second")
    say(f"memory of a worker: {', '.join(f'{m:.0f}' for m in memory)} MB at each tenth")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fill(count: int, *, callers: int = 0) -> list[str]:
    """Make the organizations, and callers with their keys, who are not due."""
    now = datetime.now(UTC)
    last_month = now.replace(day=1) - timedelta(days=3)
    began = time.monotonic()
    for _ in build(count, now=last_month):
        pass
    say(f"made in {time.monotonic() - began:.0f} s")
    keys = []
    for number in range(callers):
        caller = create_organization(name=f"Caller {number}", now=now)
        grant(
            organization=caller,
            amount=Decimal(1_000_000),
            reason="to spend",
            performed_by="scale",
            now=now,
        )
        _, key = mint_key(organization=caller, name="backend", scopes=["*"], now=now)
        keys.append(key)
    with roles.as_owner(), connections["default"].cursor() as cursor:
        # Else the server would still be at it while the API is measured alone.
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    connections.close_all()
    return keys


@contextmanager
def _server() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    command = (
        *(sys.executable, "-m", "granian", "--interface", "rsgi", "--http", "1", "--no-ws"),
        *("--host", HOST, "--port", str(port), "--workers", "2"),
        "config.server:application",
    )
    environment = {**os.environ, "STATEMENT_TIMEOUT_SECONDS": "15"}
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://{HOST}:{port}/healthz")
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str) -> None:
    for _ in range(300):
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    sys.exit("the server never answered")


def _renew(*, workers: int) -> tuple[float, Sequence[float]]:
    """Let workers share the job; return how long it took, and the megabytes that the first had at each tenth of that time."""
    began = time.monotonic()
    # As `make run` starts the worker: requests come first.
    command = ("nice", "-n", "10", sys.executable, "manage.py", "renew")
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(workers)]
    memory = []
    while any(process.poll() is None for process in processes):
        with suppress(psutil.NoSuchProcess):
            memory.append(psutil.Process(processes[0].pid).memory_info().rss / 1e6)
        time.sleep(0.2)
    if any(process.returncode for process in processes):
        sys.exit("a worker failed")
    tenth = max(1, len(memory) // 10)
    return time.monotonic() - began, memory[tenth::tenth]


def _audit(count: int) -> None:
    renewed = BillingPeriod.objects.filter(index=1).count()
    if renewed != count:
        sys.exit(f"{renewed:,} of {count:,} have a new period")
    began = time.monotonic()
    call_command("reconcile")
    say(f"reconcile: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    wallets = Wallet.objects.order_by("?")[:VERIFIED]
    bad = [found for wallet in wallets if (found := verification.verify(wallet))]
    if bad:
        sys.exit(f"{len(bad)} ledgers do not verify")
    say(f"{len(wallets):,} ledgers verified in {time.monotonic() - began:.1f} s")
