"""Where the time of one reserve and one settle goes, by Python's own profiler: what is left when the database is fast."""

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
WORDS = {"reserve": 0, "settle": 1}


def profile(caller: Caller, what: str) -> str:
    """Call the handler, as the server does, so many times; return the functions that took the longest, of a reserve or of a settle."""
    logging.getLogger("purser.access").setLevel(logging.NOTSET)
    for each in logging.getLogger().handlers:
        if isinstance(each, logging.StreamHandler):
            each.setStream(io.StringIO())  # what is logged is written, and read by nobody
    handler = WSGIHandler()
    watched = cProfile.Profile(time.process_time)
    for n in range(SKIPPED + TIMES):
        id = ""
        for number, step in enumerate((steps.RESERVE, steps.SETTLE)):
            is_watched = n >= SKIPPED and WORDS[what] == number
            if is_watched:
                watched.enable()
            answer = calling.ask(handler, caller, step, f"profile-{n}-{number}", id)
            watched.disable()
            id = answer["id"]
    text = io.StringIO()
    found = pstats.Stats(watched, stream=text).strip_dirs()
    each = vars(found)["total_tt"] / TIMES * 1e3
    text.write(f"{what}: {each:.2f} ms of a processor, under the profiler\n")
    found.sort_stats("tottime").print_stats(TOP)
    found.sort_stats("cumulative").print_stats(TOP)
    return text.getvalue()
