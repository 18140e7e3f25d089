"""The console before ten thousand organizations with a million entries and events: no page takes long, and none keeps the API waiting.

What is asserted are plans, rows, statements, and a processor's time; and of the API beside eight who search in vain, ratios by turns.
"""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from pytest_django.plugin import DjangoDbBlocker

from config import assets, roles
from organizations import clock
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import client_of
from tests.big_world import database_of_its_own
from tests.config.serving import serving
from tests.config.test_run import PROJECT
from tests.scale.console import MOST, PLAIN
from tests.scale.looking import cost
from tests.scale.pages import forgotten, pages, whom
from tests.scale.searching import SEARCHERS
from tests.scale.test_pages import problems
from tests.scale.world import FULL, build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("pages of a large world"),
]
BIG = 20_000
"""From how many rows on a table may not be read as a whole."""
ROWS = 40_000
"""How many rows a statement may read of a table: a page looks at 20,000, and the statement of a giant's month adds up its 33,000 entries."""
UNDER_WAY_SECONDS = 1
"""After how long those who search are under way."""
ROUNDS, ASKED = 15, 20
"""Three hundred of each, alone and beside those who search, by turns."""
FACTOR = 2
HEALTHZ_SECONDS = 0.05
NAMES = ("healthz", "reservations")
Kept = dict[str, list[float]]
"""How long each request took that was asked, in seconds, by what it asked for."""


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    assets.collect()  # of what is served
    with django_db_blocker.unblock(), database_of_its_own():
        build(FULL, now=clock.now())
        with roles.as_owner(), connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("RESET statement_timeout")
        yield


@pytest.fixture
def ana(world: None) -> Iterator[Client]:
    """Ana may do everything. The database is open as long as the world is there: it is thrown away, so nothing is undone."""
    user, _ = User.objects.get_or_create(username="ana", is_superuser=True, is_staff=True)
    with override_settings(STORAGES=PLAIN):
        yield client_of(user)


def test_pages_read_little(ana: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", [BIG]
        )
        tables = {name for (name,) in cursor}
    seen = list(pages(ana, whom(), now=clock.now()))

    wrong = list(problems(ana, seen, tables, rows=ROWS))

    assert not wrong, "\n\n".join(wrong)
    assert not forgotten(seen)


def test_pages_take_little(ana: Client) -> None:
    costs = [cost(ana, page) for page in pages(ana, whom(), now=clock.now())]

    dear = [f"{each.processor:.0f} ms: {each.page.url}" for each in costs if each.processor > MOST]
    assert not dear, "\n".join(dear)


def test_what_it_would_do_to_a_thousand_is_shown_in_portions_that_take_little(ana: Client) -> None:
    form = "/admin/organizations/organization/many/grant/?across=1&q=nordwind"
    asked = {"amount": "5", "priority": "50", "category": "goodwill", "reason": "an outage"}

    for _ in range(2):  # of which the first finds nothing warm
        once = {"once": f"{uuid4()}", "step": "preview"}
        shown, begun = _processor(lambda: ana.post(form, asked | once))  # noqa: B023
    assert shown.status_code == 302, shown.context["form"].errors
    told = ana.get(shown["Location"])
    assert told.context["totals"].total > 500
    next_one = shown["Location"].replace("/change/", "/go-on/")
    portions = [_processor(lambda: ana.post(next_one)) for _ in range(5)]

    assert portions[-1][0].json()["done"] > told.context["totals"].rehearsed
    dear = [milliseconds for _, milliseconds in [(shown, begun), *portions] if milliseconds > MOST]
    assert not dear


def _processor(ask: Callable[[], Any]) -> tuple[Any, float]:
    """Ask for something, and return the answer with the milliseconds of a processor that it took, Python's and the database's."""
    backend = psutil.Process(connection.connection.info.backend_pid)
    computed, before = time.process_time(), backend.cpu_times()
    answer = ask()
    python, after = time.process_time() - computed, backend.cpu_times()
    return answer, 1e3 * (python + after.user + after.system - before.user - before.system)


def test_eight_who_search_in_vain_leave_the_api_alone(ana: Client, tmp_path: Path) -> None:
    secret = f.make_key(Organization.objects.get(name="Goliath"))[1]
    cookie = "; ".join(f"{name}={each.value}" for name, each in ana.cookies.items())
    alone: list[Kept] = []
    beside: list[Kept] = []
    with serving(tmp_path / "log") as port:
        _ask(port, secret)
        for _ in range(ROUNDS):
            alone.append(_ask(port, secret))
            with searching(port, cookie) as searched:
                beside.append(_ask(port, secret))
            assert searched() >= SEARCHERS

    found = {name: (_p99(beside, name), _p99(alone, name)) for name in NAMES}
    slow, usual = found["healthz"]
    assert slow < max(HEALTHZ_SECONDS, FACTOR * usual), found
    slow, usual = found["reservations"]
    assert slow < FACTOR * usual, found


def _p99(rounds: list[Kept], name: str) -> float:
    """Return how long all but the slowest hundredth took, in seconds. Each side has half of the rounds that a busy neighbour disturbs."""
    seconds = sorted(second for kept in rounds for second in kept[name])
    return seconds[round(len(seconds) * 0.99) - 1]


def _ask(port: int, secret: str) -> Kept:
    """Ask how it is, and hold credits, one after the other. Returns how long each took."""
    kept: Kept = {name: [] for name in NAMES}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    body = json.dumps({"estimatedCredits": 0.5, "expiresInSeconds": 3600})
    for _ in range(ASKED):
        kept["healthz"].append(_timed(line, "GET", "/healthz", None, {}))
        path = "/api/v1/usage/reservations"
        kept["reservations"].append(_timed(line, "POST", path, body, headers))
    line.close()
    return kept


def _timed(
    line: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None,
    headers: dict[str, str],
) -> float:
    began = time.perf_counter()
    line.request(method, path, body, headers)
    answer = line.getresponse()
    answer.read()
    assert answer.status in (200, 201), answer.status
    return time.perf_counter() - began


@contextmanager
def searching(port: int, cookie: str) -> Iterator[Callable[[], int]]:
    """Search for names that nobody has, eight at a time, for the length of the block. Yields how many searches were answered, once it is over."""
    command = [sys.executable, "-m", "tests.scale.searching", str(port), cookie]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    said: list[str] = []
    with subprocess.Popen(command, cwd=PROJECT, text=True, **pipes) as searchers:  # type: ignore[call-overload]
        time.sleep(UNDER_WAY_SECONDS)
        yield lambda: int(said[0])
        said.append(searchers.communicate()[0])
