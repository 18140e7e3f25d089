"""Looking at a page: how it answers, what its statements read, and how much of a processor it takes, Python's and the database's."""

import time
from statistics import median
from typing import Any, NamedTuple

import psutil
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.plans import Statement, explained
from tests.scale.pages import Page

WARM = 5
CHUNKS = 2
"""How much of a file is taken: the rest of it costs as much again for each thousand rows."""


class Cost(NamedTuple):
    """What a page takes once it is warm, in milliseconds."""

    page: Page
    statements: int
    python: float
    database: float
    wall: float

    @property
    def processor(self) -> float:
        return self.python + self.database


def get(client: Client, page: Page) -> int:
    """Ask for a page, and take the beginning of a file, which closes itself once nobody has it. Returns its status."""
    answer = client.get(page.url)
    if answer.streaming:
        pieces = iter(answer)
        for _ in range(CHUNKS):
            next(pieces, None)
    return int(answer.status_code)


def read(client: Client, page: Page) -> tuple[int, list[Statement]]:
    """Return how a page answers, and the statements that it sends, explained."""
    with explained() as statements:
        status = get(client, page)
    return status, list(statements)


def cost(client: Client, page: Page) -> Cost:
    """Measure a page: the median of what Python takes, and the mean of the database's, whose clock goes by hundredths of a second."""
    with CaptureQueriesContext(connection) as sent:
        get(client, page)
    backend = psutil.Process(connection.connection.info.backend_pid)
    python, wall = list[float](), list[float]()
    before = _seconds(backend)
    for _ in range(WARM):
        began, computed = time.perf_counter(), time.process_time()
        get(client, page)
        python.append(time.process_time() - computed)
        wall.append(time.perf_counter() - began)
    database = (_seconds(backend) - before) / WARM
    return Cost(page, len(sent), median(python) * 1e3, database * 1e3, median(wall) * 1e3)


def _seconds(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
