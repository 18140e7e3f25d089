"""`python -m tests.scale`: set up a server of its own, fill it with ten thousand customers, and measure every page of the console.

With `--renewal` it measures renewals, with `--events` batches of events. `--again` measures the pages of the world that was made last.
"""

import argparse
import os
import shutil
import signal
import sys

import django

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("organizations", type=int, nargs="?", default=10_000)
parser.add_argument("--renewal", action="store_true", help="renewals, not pages")
parser.add_argument("--events", action="store_true", help="batches of events, not pages")
parser.add_argument("--again", action="store_true", help="pages of the world of the last time")
parser.add_argument("--only", default="", help="pages whose name this is in")
parser.add_argument("--pairs-a-second", type=float, default=4.0)
options = parser.parse_args()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["STATEMENT_TIMEOUT_SECONDS"] = "0"
# A line of the log for each page that is asked for would hide the table.
os.environ.setdefault("LOG_LEVEL", "WARNING")
if not options.again:
    # Before the settings are read: they keep their secret there.
    shutil.rmtree(os.environ["DATA_DIR"], ignore_errors=True)
django.setup()

from django.conf import settings
from django.core.management import call_command

from config import embedded
from tests.scale import console, events, renewal

if not settings.EMBEDDED_DATABASE:
    sys.exit("it makes a database of its own: unset DATABASE_URL")
# A plain SIGTERM would end it at once and leave the server running.
signal.signal(signal.SIGTERM, signal.default_int_handler)
with embedded.running(embedded.folder_in(settings.DATA_DIR), is_owner=True):
    call_command("migrate", verbosity=0)
    if options.events:
        events.measure()
    elif options.renewal:
        renewal.measure(options.organizations, pairs_a_second=options.pairs_a_second)
    else:
        if not options.again:
            console.fill(options.organizations)
        console.measure(only=options.only)
