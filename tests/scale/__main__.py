"""`python -m tests.scale 10000`, or `--events`: set up a server of its own, then measure."""

import argparse
import os
import shutil
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["STATEMENT_TIMEOUT_SECONDS"] = "0"
# Before the settings are read: they keep their secret there.
shutil.rmtree(os.environ["DATA_DIR"], ignore_errors=True)
django.setup()

from django.conf import settings
from django.core.management import call_command

from config import embedded
from tests.scale import events, renewal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("organizations", type=int, nargs="?", default=10_000)
parser.add_argument("--events", action="store_true", help="batches of events, not renewals")
parser.add_argument("--pairs-a-second", type=float, default=4.0)
options = parser.parse_args()
if not settings.EMBEDDED_DATABASE:
    sys.exit("it makes a database of its own: unset DATABASE_URL")
# A plain SIGTERM would end it at once and leave the server running.
signal.signal(signal.SIGTERM, signal.default_int_handler)
with embedded.running(embedded.folder_in(settings.DATA_DIR), is_owner=True):
    call_command("migrate", verbosity=0)
    if options.events:
        events.measure()
    else:
        renewal.measure(options.organizations, pairs_a_second=options.pairs_a_second)
