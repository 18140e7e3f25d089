"""How a line is measured: its sides by turns, so that a busy neighbour disturbs all of them alike; and what is said of it."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

Measured = TypeVar("Measured")

began = time.monotonic()


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {text}\n")
    sys.stdout.flush()


@dataclass
class Line:
    """One figure beside what bounds it. `value` is None where there is none: then `problems` say why."""

    name: str
    value: float | None
    unit: str
    ceiling: float | None
    details: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """The value in units of its ceiling: of what is done in a second 1 is all that there is, of what it takes the least."""
        return None if self.value is None or not self.ceiling else self.value / self.ceiling

    def as_json(self) -> dict[str, Any]:
        """Return the line as it is written to the file; `problems` only where there are any."""
        numbers = {"value": self.value, "ceiling": self.ceiling, "ratio": self.ratio}
        said: dict[str, Any] = {"name": self.name, "unit": self.unit}
        said |= {name: _short(number) for name, number in (numbers | self.details).items()}
        return said | ({"problems": self.problems} if self.problems else {})


def by_turns(
    name: str, rounds: int, sides: Mapping[str, Callable[[], Measured]]
) -> dict[str, list[Measured]]:
    """Measure each side once a round, and return what came of it, a value for each round.

    The order is turned round each time: what grows from one measurement to the next (a table, a cache) favours nobody.
    """
    measured: dict[str, list[Measured]] = {side: [] for side in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for side in order:
            say(f"{name}: {side}, round {number + 1} of {rounds}")
            measured[side].append(sides[side]())
    return measured


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which this share of them lies."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def middle(values: Sequence[float]) -> float:
    """Return the median; nothing where there are no values."""
    return median(values) if values else math.nan


def problems_of(failures: Iterable[Mapping[str, int]]) -> list[str]:
    """Say which requests failed, and how many: a figure that leaves them out would be a lie."""
    counted: Counter[str] = Counter()
    for each in failures:
        counted.update(each)
    return [f"{count} × {status}" for status, count in sorted(counted.items()) if count]


def _short(number: float | None) -> float | None:
    return None if number is None or math.isnan(number) else float(f"{number:.4g}")
