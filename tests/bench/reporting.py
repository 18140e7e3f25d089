"""What is said of the lines: a table for people, a file for programs."""

import json
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from django.db import connection

from tests.bench.measuring import Line


def machine() -> dict[str, Any]:
    """Say on what it is measured."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        version, fsync = cursor.fetchone()
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load": [round(each, 2) for each in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": version,
        "fsync": fsync,
    }


def write(path: Path, about: dict[str, Any], lines: Sequence[Line]) -> None:
    """Write what is known by now: whoever stops it keeps the rest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"machine": about, "lines": [line.as_json() for line in lines]}
    path.write_text(f"{json.dumps(said, indent=2, ensure_ascii=False)}\n")


def table(lines: Sequence[Line]) -> str:
    """Write lines for people."""
    head = ("", "", "of", "ratio", "p50 ms", "p99 ms", "")
    rows = [head, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 6) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(line: Line) -> tuple[str, ...]:
    others = [f"{k} {_text(v)}" for k, v in line.details.items() if k not in ("p50", "p99")]
    failed = [f"FAILED: {problem}" for problem in line.problems]
    return (
        line.name,
        f"{_text(line.value)} {line.unit}",
        _text(line.ceiling),
        _text(line.ratio),
        _text(line.details.get("p50")),
        _text(line.details.get("p99")),
        ", ".join([*failed, *others]),
    )


def _text(number: float | None) -> str:
    if number is None or math.isnan(number):
        return "–"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
