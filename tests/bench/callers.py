"""Processes that call the services, as workers of the web server do, with nothing around them.

`python -m tests.bench.callers WORLD PROCESSES` reads the world and everybody's terms, as a process that has served for a while has them, and
says `ready`. For each line of stdin, `[seconds, first, count]`, so many processes reserve and settle at once, for some of the callers, and a
line of JSON says what came of it.
"""

import json
import logging
import multiprocessing
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.db import connections

from credits.models import Reservation
from organizations.models import Actor, Organization
from tests.bench import world
from usage import services
from usage.models import AIModel
from usage.pricing import Tokens

log = logging.getLogger(__name__)

BY = "key_of_the_gateway"
SETTLED = Tokens(input=world.SETTLED_INPUT, output=world.SETTLED_OUTPUT)
WARM = 20
"""The first pairs of a session plan its statements."""


@dataclass(frozen=True)
class Made:
    """What some processes did."""

    seconds: float = 0.0
    pairs: int = 0
    failed: int = 0
    user: float = 0.0
    """Seconds that they computed, without those of the kernel for them."""


def main(file: Path, processes: int) -> None:
    works = works_of(world.load(file).callers)
    for work in works:
        services.check(work, now=datetime.now(UTC))
    _say("ready")
    for line in sys.stdin:
        seconds, first, count = json.loads(line)
        made = together(processes, works[first : first + count], seconds)
        _say(json.dumps(asdict(made)))


def works_of(callers: list[world.Caller]) -> list[services.Work]:
    """Return the work that each of them asks for, with all that a door would have read."""
    organizations = Organization.objects.in_bulk([each.organization_id for each in callers])
    actors = Actor.objects.select_related("profile").in_bulk([each.actor_id for each in callers])
    model = AIModel.objects.get(slug=world.MODEL)
    tokens = Tokens(input=world.INPUT, output=world.OUTPUT)
    return [
        services.Work(
            organizations[each.organization_id],
            tokens=tokens,
            model=model,
            actor=actors[each.actor_id],
        )
        for each in callers
    ]


def pair(work: services.Work) -> None:
    """Reserve and settle."""
    held = services.reserve(work, performed_by=BY, now=datetime.now(UTC))
    if not isinstance(held, Reservation):
        raise held
    services.settle(
        organization=work.organization,
        reservation_id=held.id,
        performed_by=BY,
        now=datetime.now(UTC),
        tokens=SETTLED,
    )


def together(processes: int, works: list[services.Work], seconds: float) -> Made:
    """Make pairs in so many processes at once; they are copies of this one, and know what it knows."""
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    told: SimpleQueue[Made] = fork.SimpleQueue()
    gate = fork.Barrier(processes)
    started = [
        fork.Process(target=_measure, args=(works, seconds, gate, told), daemon=True)
        for _ in range(processes)
    ]
    for each in started:
        each.start()
    made = [told.get() for _ in started]
    for each in started:
        each.join()
    return Made(
        seconds=max(each.seconds for each in made),
        pairs=sum(each.pairs for each in made),
        failed=sum(each.failed for each in made),
        user=sum(each.user for each in made),
    )


def _measure(
    works: list[services.Work], seconds: float, gate: Barrier, told: "SimpleQueue[Made]"
) -> None:
    random.seed()
    for _ in range(WARM):
        _try(random.choice(works))
    gate.wait()
    done = 0
    attempts = 0
    before, began = os.times().user, time.perf_counter()
    while time.perf_counter() < began + seconds:
        attempts += 1
        done += _try(random.choice(works))
    took, user = time.perf_counter() - began, os.times().user - before
    told.put(Made(took, done, attempts - done, user))


def _try(work: services.Work) -> bool:
    try:
        pair(work)
    except Exception:
        log.exception("a pair")
        return False
    return True


def _say(text: Any) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
