"""Looking at a page: how it answers, what its statements read, and how much of a processor it takes, Python's and the database's."""

import time
from statistics import mean, median
from typing import Any, NamedTuple
from unittest.mock import patch

import psutil
from django.db import connection
from django.template import Template
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.plans import Statement, explained
from tests.scale.pages import Page

LITTLE, TIMES = 150.0, 5
"""Milliseconds of a processor from which on a page is measured so many times."""
CHUNKS = 2
"""How much of a file is taken: the rest of it costs as much again for each thousand rows."""


ANSWERS = (200, 302, 405)
"""How a page may answer: some are left by a redirect, and some take a form only."""


class _Taken(NamedTuple):
    """What one request took, in milliseconds."""

    python: float
    database: float
    wall: float


class Cost(NamedTuple):
    """What a page takes once it is warm, in milliseconds."""

    page: Page
    status: int
    statements: int
    python: float
    database: float
    wall: float

    @property
    def is_answered(self) -> bool:
        return self.status in ANSWERS

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
    """Measure a page once it is warm: one that takes little once, any other several times, of which the median of Python's time counts, and
    the mean of the database's, whose clock goes by hundredths of a second."""
    with CaptureQueriesContext(connection) as sent:
        status = get(client, page)
    statements = len(sent)  # the next request begins the list anew
    with patch.object(Template, "_render", _as_served):
        taken = [_take(client, page)]
        if taken[0].python + taken[0].database > LITTLE:
            taken = [_take(client, page) for _ in range(TIMES)]
    return Cost(
        page,
        status,
        statements,
        median(each.python for each in taken),
        mean(each.database for each in taken),
        median(each.wall for each in taken),
    )


def _take(client: Client, page: Page) -> _Taken:
    backend = psutil.Process(connection.connection.info.backend_pid)
    began, computed, before = time.perf_counter(), time.process_time(), _seconds(backend)
    get(client, page)
    python, wall = time.process_time() - computed, time.perf_counter() - began
    return _Taken(python * 1e3, (_seconds(backend) - before) * 1e3, wall * 1e3)


def _as_served(template: Any, context: Any) -> Any:
    """Render a template without telling anybody, as outside of tests, where each template's context is copied."""
    return template.nodelist.render(context)


def _seconds(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
