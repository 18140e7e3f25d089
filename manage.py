#!/usr/bin/env python
"""Django's command line for Purser."""

import os
import signal
import sys
from contextlib import nullcontext

from django.conf import settings
from django.core.management import execute_from_command_line

from config import embedded

WITHOUT_DATABASE = {
    "check",
    "collectstatic",
    "diffsettings",
    "help",
    "replay",
    "spectacular",
    "version",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A migration or an audit may take as long as it takes.
    os.environ.setdefault("STATEMENT_TIMEOUT_SECONDS", "0")
    # The default would end us at once, and leave a database behind that nobody stops.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    needs_embedded = settings.EMBEDDED_DATABASE and command not in WITHOUT_DATABASE
    folder = embedded.folder_in(settings.DATA_DIR)
    with embedded.running(folder) if needs_embedded else nullcontext():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
