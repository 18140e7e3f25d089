"""A process that calls the services, as a worker of the web server does, with nothing around them.

`python -m tests.bench.callers WORLD FIRST COUNT` reads the world, says `ready`, and for each line of stdin, a number of seconds, reserves and
settles for so long as some of the callers from FIRST on; then it says on a line of JSON what came of it.
"""

import json
import logging
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from credits.models import Reservation
from organizations.models import Actor, Organization
from tests.bench import world
from usage import services
from usage.models import AIModel
from usage.pricing import Tokens

log = logging.getLogger(__name__)

BY = "key_of_the_gateway"
SETTLED = Tokens(input=world.SETTLED_INPUT, output=world.SETTLED_OUTPUT)


def main(file: Path, first: int, count: int) -> None:
    callers = world.load(file).callers[first : first + count]
    works = works_of(callers)
    for work in works[:3]:
        pair(work)
    _say("ready")
    for line in sys.stdin:
        _say(json.dumps(measure(works, float(line))))


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


def measure(works: list[services.Work], seconds: float) -> dict[str, float]:
    """Make pairs for so long; return how many, how many failed, and what they cost this process."""
    pairs = failed = 0
    before = os.times()
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        try:
            pair(random.choice(works))
        except Exception:
            failed += 1
            log.exception("a pair")
        else:
            pairs += 1
    after = os.times()
    return {
        "seconds": time.perf_counter() - began,
        "pairs": pairs,
        "failed": failed,
        "user": after.user - before.user,
        "system": after.system - before.system,
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
