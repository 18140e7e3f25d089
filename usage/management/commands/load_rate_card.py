"""`manage.py load_rate_card [FILE]`: show what a rate card would change, then change it."""

from getpass import getuser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from usage.services import rate_card, rate_file


class Command(BaseCommand):
    """Load models and their prices from a TOML file. What the file does not name stays as it is."""

    help = "Load the rate card: models, their tiers and fallbacks, and what they cost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=rate_file.BUNDLED)
        parser.add_argument("--dry-run", action="store_true", help="only show what would change")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, file: Path, dry_run: bool, yes: bool, **options: Any) -> None:
        try:
            card = rate_file.read(file)
        except rate_card.InvalidRateCard as error:
            raise CommandError(str(error)) from error
        changes = rate_card.compare(card)
        if not changes:
            self.stdout.write(f"{len(card.models)} models, nothing to change")
            return
        self._show(changes)
        if dry_run:
            return
        if not yes and input("Change this? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")
        try:
            rate_card.load(card, performed_by=f"shell:{getuser()}")
        except rate_card.InvalidRateCard as error:
            raise CommandError(f"nothing was changed: {error}") from error
        self.stdout.write(f"{len(card.models)} models, {len(changes)} changes made")

    def _show(self, changes: list[rate_card.Change]) -> None:
        table = Table("model or rate", "field", "now", "then")
        for change in changes:
            table.add_row(change.subject, change.field, change.before, change.after)
        console = Console(width=140)
        with console.capture() as capture:
            console.print(table)
        self.stdout.write(capture.get())
