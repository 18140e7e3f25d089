"""`python -m tests.bench`: make a server and a world of its own, measure, say what came of it, and take both away."""

import argparse
import fcntl
import logging
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import django

folder = Path(os.environ["DATA_DIR"])
folder.parent.mkdir(parents=True, exist_ok=True)
alone = folder.with_name(f"{folder.name}.lock").open("w")
try:
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(f"another one runs in {folder}")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("STATEMENT_TIMEOUT_SECONDS", "0")
# Before the settings are read: they keep their secret there.
shutil.rmtree(folder, ignore_errors=True)
django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from config import embedded
from tests.bench import functions, profiling, schema, world
from tests.bench.bench import Bench, Options
from tests.bench.lines import LINES, measure
from tests.bench.measuring import Line, say
from tests.bench.reporting import machine, table, write

DEFAULTS = Options()
# Of what is asked in this process, to see what it calls. The servers say what they always say.
logging.getLogger("purser.access").setLevel(logging.WARNING)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=DEFAULTS.seconds, help="of each side in each round")
    add("--rounds", type=int, default=DEFAULTS.rounds)
    add("--pairs", type=int, default=DEFAULTS.pairs, help="of schema_cost and --ablate")
    add("--only", metavar="LINE,LINE", help=f"of {', '.join(LINES)}")
    add("--organizations", type=int, default=DEFAULTS.organizations)
    add("--events", type=int, default=DEFAULTS.events, help="behind the reports")
    add("--entries", type=int, default=DEFAULTS.entries, help="in the long ledger")
    add("--output", type=Path, default=settings.BASE_DIR / "var" / "bench.json")
    add("--profile", choices=profiling.WORDS, help="say where the time of a request goes instead")
    add("--ablate", action="store_true", help="say what each kind of rule costs instead")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(LINES)
    if unknown := set(names) - set(LINES):
        parser.error(f"no such line: {', '.join(sorted(unknown))}")
    given.names = [name for name in LINES if name in names]
    return given


def run(given: argparse.Namespace) -> int:
    """Measure on a server of its own; return how the process is to end."""
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, settings.DATA_DIR, ignore_errors=True)
        server = embedded.folder_in(settings.DATA_DIR)
        stack.enter_context(embedded.running(server, is_owner=True))
        stack.callback(connections.close_all)
        say("a server of its own runs; its tables")
        call_command("migrate", verbosity=0)
        say(f"{given.organizations:,} organizations")
        made = world.make(given.organizations)
        functions.make(made)
        connections.close_all()
        if given.profile:
            sys.stdout.write(profiling.profile(made.callers[1], given.profile))
            return 0
        chosen = Options(
            seconds=given.seconds,
            rounds=given.rounds,
            pairs=given.pairs,
            organizations=given.organizations,
            events=given.events,
            entries=given.entries,
        )
        bench = Bench(made, chosen, settings.DATA_DIR)
        stack.callback(bench.close)
        if given.ablate:
            sys.stdout.write(f"{schema.ablate(bench)}\n")
            return 0
        about = machine()
        lines: list[Line] = []
        for line in measure(bench, given.names):
            lines.append(line)
            write(given.output, about, lines)
        sys.stdout.write(f"\n{table(lines)}\n\n{given.output}\n")
        return int(any(line.problems for line in lines))


if __name__ == "__main__":
    if not settings.EMBEDDED_DATABASE:
        sys.exit("it makes a database of its own: unset DATABASE_URL")
    chosen = options()
    # A plain SIGTERM would end it at once and leave everything running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run(chosen))
    except KeyboardInterrupt:
        sys.exit("stopped")
