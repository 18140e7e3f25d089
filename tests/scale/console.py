"""Measures every page of the console in the large world, and prints the dearest of each kind: what docs/scale.md quotes."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.test.utils import override_settings

from config import roles
from organizations import clock
from tests.admin.people import client_of
from tests.bench.measuring import say
from tests.scale.looking import Cost, cost
from tests.scale.pages import Page, pages, whom
from tests.scale.world import FULL, build

MOST = 300.0
"""Milliseconds of a processor that a page may take."""
PLAIN = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


def fill(organizations: int) -> None:
    """Make the world."""
    build(FULL._replace(organizations=organizations), now=clock.now(), say=say)
    with roles.as_owner(), connections["default"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    connections.close_all()


@override_settings(ALLOWED_HOSTS=["testserver"], STORAGES=PLAIN)
def measure(*, only: str = "") -> None:
    """Measure all pages whose names have this in them, and say which take too much."""
    client = client_of(
        User.objects.get_or_create(username="ana", is_superuser=True, is_staff=True)[0],
        raise_request_exception=False,
    )
    seen = [page for page in pages(client, whom(), now=clock.now()) if only in page.name]
    say(f"{len(seen):,} pages, at a load of {os.getloadavg()[0]:.1f}")
    costs = list(_costs(client, seen))
    for line in table(costs):
        say(line)


def _costs(client: Client, seen: Iterable[Page]) -> Iterator[Cost]:
    """Yield what pages take, and say at once which take too much."""
    for number, page in enumerate(seen, 1):
        each = cost(client, page)
        if not each.is_answered:
            say(f"answers {each.status}: {page.name} {page.url}")
        if each.processor > MOST:
            python, database = (
                f"{each.python:.0f} ms of Python",
                f"{each.database:.0f} of the database",
            )
            say(f"too much: {python}, {database}: {page.name} {page.url}")
        if number % 100 == 0:
            say(f"{number:,} pages")
        yield each


def table(costs: Iterable[Cost]) -> list[str]:
    """Return the dearest page of each kind as lines of a table."""
    lines = ["| pages | how many | dearest | statements | Python, ms | database, ms | wall, ms |"]
    for kind, group in groupby(sorted(costs, key=_kind), key=_kind):
        each = list(group)
        most = max(each, key=lambda one: one.processor)
        lines.append(
            f"| {kind} | {len(each)} | {most.page.name.removeprefix(kind)} | {most.statements}"
            f" | {most.python:.0f} | {most.database:.0f} | {most.wall:.0f} |"
        )
    return lines


def _kind(each: Cost) -> str:
    return each.page.name.partition("?")[0].partition(":")[0]
