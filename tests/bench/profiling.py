"""Where the time of one reserve, one settle and one check goes, by Python's own profiler: what is left when the database is fast."""

import cProfile
import io
import logging
import pstats
import time

from django.core.handlers.wsgi import WSGIHandler

from tests.bench import calling, steps
from tests.bench.world import Caller

TIMES = 200
SKIPPED = 10
TOP = 45
WORDS = {"reserve": steps.RESERVE, "settle": steps.SETTLE, "check": steps.CHECK}


def profile(caller: Caller, what: str) -> str:
    """Call the handler, as the server does, so many times; return the functions that took the longest, of one of `WORDS`."""
    logging.getLogger("purser.access").setLevel(logging.NOTSET)
    for each in logging.getLogger().handlers:
        if isinstance(each, logging.StreamHandler):
            each.setStream(io.StringIO())  # what is logged is written, and read by nobody
    handler = WSGIHandler()
    watched = cProfile.Profile(time.process_time)
    for n in range(SKIPPED + TIMES):
        id = ""
        for word, step in WORDS.items():
            is_watched = n >= SKIPPED and word == what
            if is_watched:
                watched.enable()
            answer = calling.ask(handler, caller, step, f"profile-{n}-{word}", id)
            watched.disable()
            id = answer.get("id", id)
    text = io.StringIO()
    found = pstats.Stats(watched, stream=text).strip_dirs()
    each, calls = vars(found)["total_tt"] / TIMES * 1e3, vars(found)["total_calls"] / TIMES
    text.write(f"{what}: {each:.2f} ms of a processor, under the profiler, {calls:.0f} calls\n")
    found.sort_stats("tottime").print_stats(TOP)
    found.sort_stats("cumulative").print_stats(TOP)
    return text.getvalue()
