"""The lines, in the order in which they are measured: what fills the database comes last."""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from tests.bench import doors, due, growth, schema, services
from tests.bench.bench import Bench
from tests.bench.measuring import Line, say

log = logging.getLogger(__name__)

Measure = Callable[[Bench, str], Line]

LINES: dict[str, Measure] = {
    "service_pairs_spread": partial(services.pairs, is_hot=False),
    "service_pairs_hot": partial(services.pairs, is_hot=True),
    "schema_cost": schema.cost,
    "http_pairs_spread": partial(doors.pairs, is_hot=False, connections=16),
    "http_pairs_hot": partial(doors.pairs, is_hot=True, connections=16),
    "http_pairs_spread_64": partial(doors.pairs, is_hot=False, connections=64),
    "http_pairs_hot_64": partial(doors.pairs, is_hot=True, connections=64),
    "http_reserve_cpu": doors.reserve_cpu,
    "http_check": doors.check,
    "http_balance": doors.balance,
    "http_neighbour": doors.neighbour,
    "events_batch": doors.events,
    "renew": due.renew,
    "sweep": due.sweep,
    "report_monthly": partial(growth.report, path="/api/usage/monthly"),
    "report_top_consumers": partial(growth.report, path="/api/usage/top-consumers"),
    "report_usage": partial(growth.report, path="/api/usage"),
    "balance_growth": growth.balance,
    "asof_growth": growth.as_of,
}


def measure(bench: Bench, names: Iterable[str]) -> Iterator[Line]:
    """Measure lines one after the other. One that breaks is a line that failed, and the others are measured all the same."""
    for name in names:
        say(name)
        try:
            line = LINES[name](bench, name)
        except Exception as error:
            log.exception(name)
            line = Line(name, None, "", None, problems=[f"{type(error).__name__}: {error}"])
        say(f"{name}: {line.as_json()}")
        yield line
