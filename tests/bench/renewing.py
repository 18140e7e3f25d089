"""A process that renews what is due, as `manage.py renew`: it says that it is ready, waits for a line, and says when it is done."""

import io
import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.core.management import call_command
from django.db import connection


def main() -> None:
    connection.ensure_connection()
    _say("ready")
    sys.stdin.readline()
    call_command("renew", stdout=io.StringIO())
    _say("done")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
