"""`manage.py believe_clock`: says that the database's clock is right, where Purser has counted otherwise."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from organizations import clock


class Command(BaseCommand):
    """Show what is counted and what the database's clock says; with --yes let everybody believe the clock."""

    help = "Show whether the database's clock is believed; with --yes it is, from now on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="the database's clock is right")

    def handle(self, *args: Any, yes: bool, **options: Any) -> None:
        if settings.CLOCK != "database":
            raise CommandError(f"CLOCK={settings.CLOCK}: the database's clock is not asked")
        counted, said = clock.now(), clock.database_time()
        self.stdout.write(f"counted: {counted:%Y-%m-%d %H:%M:%S} UTC")
        self.stdout.write(f"the database's clock: {said:%Y-%m-%d %H:%M:%S} UTC")
        if yes:
            clock.decide()
            self.stdout.write("Believed. Who doubted it asks again within a minute.")
