"""What callers of the API get, beside bare views of the same server."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

import psycopg
from django.db import connections

from config import roles
from tests.bench import schema, steps, world
from tests.bench.bench import Bench
from tests.bench.client import UNIQUE, Answers, Step
from tests.bench.measuring import Line, by_turns, middle, percentile, problems_of
from tests.bench.serving import Server
from tests.bench.world import Caller

BATCH = 1_000
"""Events in one request."""
NEIGHBOURS, WAITING = 2, 8
"""Connections of those who want other wallets, and of those who want the one that is locked."""
CROWD_SECONDS = 1.0
"""How long those wait before the others begin."""


def pairs(bench: Bench, name: str, *, is_hot: bool, connections: int) -> Line:
    """Measure pairs over HTTP; those on one wallet also beside those on all of them."""
    callers = bench.hot if is_hot else bench.spread
    ask = partial(bench.ask, callers=callers, connections=connections)
    sides = {
        "Purser": partial(ask, bench.purser, steps.RESERVE, steps.SETTLE),
        "bare views": partial(ask, bench.bare, steps.BARE_RESERVE, steps.BARE_SETTLE),
    }
    if is_hot:
        spread = partial(bench.ask, callers=bench.spread, connections=connections)
        sides["Purser, spread"] = partial(spread, bench.purser, steps.RESERVE, steps.SETTLE)
    measured = by_turns(name, bench.options.rounds, sides)
    line = throughput(name, "pairs/s", measured["Purser"], measured["bare views"])
    if is_hot and (others := per_second(measured["Purser, spread"])) and line.value is not None:
        line.details["of_spread"] = line.value / others
    return line


def reserve_cpu(bench: Bench, name: str) -> Line:
    """Compare what Python computes for one reserve with what it does for a view that does nothing, under the frozen middleware."""
    ask = partial(bench.ask, connections=4)
    problems: list[dict[str, int]] = []

    def cpu(server: Server, step: Step) -> float:
        before = server.cpu()
        answers = ask(server, step)
        problems.append(answers.failures)
        return (server.cpu() - before) / max(1, answers.requests) * 1e3

    measured = by_turns(
        name,
        bench.options.rounds,
        {
            "a reserve": partial(cpu, bench.purser, steps.RESERVE),
            "nothing": partial(cpu, bench.frozen, steps.NOTHING),
        },
    )
    return Line(
        name,
        middle(measured["a reserve"]),
        "ms",
        middle(measured["nothing"]),
        problems=problems_of(problems),
    )


def check(bench: Bench, name: str) -> Line:
    """Measure checks beside a bare view that reads the same figures."""
    bare = Step("POST", "/api/check/{n}", steps.CHECK.body)
    return _beside(bench, name, steps.CHECK, bench.bare, bare)


def balance(bench: Bench, name: str) -> Line:
    """Measure reads of a wallet beside a view that does nothing."""
    return _beside(bench, name, Step("GET", "/api/v1/credits"), bench.bare, steps.NOTHING)


def events(bench: Bench, name: str) -> Line:
    """Measure batches of events beside a bare view that writes them as they come."""
    told = [
        {
            "source": "bench",
            "id": f"{UNIQUE.decode()}-{n}",
            "model": world.MODEL,
            **steps.TAKEN,
        }
        for n in range(BATCH)
    ]
    body = json.dumps({"events": told})
    sides: dict[str, Callable[..., Answers]] = {
        "Purser": partial(bench.ask, bench.purser, Step("POST", "/api/v1/usage/events", body)),
        "bare views": partial(bench.ask, bench.bare, Step("POST", "/api/events/{n}", body)),
    }
    measured = by_turns(
        name,
        bench.options.rounds,
        {side: partial(ask, connections=4, is_keyed=False) for side, ask in sides.items()},
    )
    return throughput(name, "rows/s", measured["Purser"], measured["bare views"], each=BATCH)


def neighbour(bench: Bench, name: str) -> Line:
    """Compare what others wait beside a locked wallet, for which many wait, with what they wait without."""
    others = partial(
        bench.ask,
        bench.purser,
        steps.RESERVE,
        steps.SETTLE,
        callers=bench.spread,
        connections=NEIGHBOURS,
    )
    waited: list[Answers] = []

    def beside() -> Answers:
        with closing(_locked(bench.hot[0])) as lock:
            crowd = bench.asking(
                bench.purser,
                steps.RESERVE,
                callers=bench.hot,
                connections=WAITING,
                is_patient=True,
                seconds=bench.options.seconds + CROWD_SECONDS,
            )
            with crowd as asked:
                time.sleep(CROWD_SECONDS)
                answers = others()
                lock.close()
                waited.append(asked.answers())
        return answers

    sides: dict[str, Callable[[], Answers]] = {"alone": others, "beside": beside}
    measured = by_turns(name, bench.options.rounds, sides)
    alone, crowded = (
        percentile((ms for each in measured[side] for ms in each.milliseconds), 0.99)
        for side in ("alone", "beside")
    )
    theirs = [ms for each in waited for ms in each.milliseconds]
    return Line(
        name,
        crowded,
        "ms",
        alone,
        details={
            "p50": percentile((ms for each in measured["beside"] for ms in each.milliseconds), 0.5),
            "p99": crowded,
            "waiting_p99": percentile(theirs, 0.99),
        },
        problems=problems_of(each.failures for side in measured.values() for each in side),
    )


def throughput(
    name: str, unit: str, ours: Sequence[Answers], ceiling: Sequence[Answers], *, each: int = 1
) -> Line:
    """Make a line of what was done in a second, beside what could be."""
    return Line(
        name,
        per_second(ours) * each,
        unit,
        per_second(ceiling) * each,
        details=percentiles(ours),
        problems=problems_of(answers.failures for answers in (*ours, *ceiling)),
    )


def per_second(answers: Sequence[Answers]) -> float:
    """Return how many whole rounds there were in a second."""
    return sum(each.rounds for each in answers) / sum(each.seconds for each in answers)


def percentiles(answers: Sequence[Answers]) -> dict[str, float]:
    """Return how long a request took."""
    took = [ms for each in answers for ms in each.milliseconds]
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}


def _beside(bench: Bench, name: str, ours: Step, server: Server, bare: Step) -> Line:
    measured = by_turns(
        name,
        bench.options.rounds,
        {
            "Purser": partial(bench.ask, bench.purser, ours),
            "a bare view": partial(bench.ask, server, bare),
        },
    )
    return throughput(name, "requests/s", measured["Purser"], measured["a bare view"])


def _locked(caller: Caller) -> "psycopg.Connection[object]":
    """Return a session that has the wallet of a caller locked until it is closed."""
    with roles.as_owner():
        owner = schema.where()
    connections.close_all()
    session: psycopg.Connection[object] = psycopg.connect(**owner)
    session.execute(
        "SELECT FROM credits_wallet WHERE organization_id = %s FOR UPDATE",
        [caller.organization_id],
    )
    return session
