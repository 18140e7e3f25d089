"""`manage.py seal_ledger`: write the seal of the day, as the calendar does."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credits import seals
from organizations import clock


class Command(BaseCommand):
    """Seal the head of every ledger in a file of its own, unless that was done today."""

    help = "Append the head of every ledger to the seals, once a day."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            path = seals.seal(clock.now())
        except seals.SealBroken as error:
            raise CommandError(
                f"not sealed, because the newest seal does not fit: {error}"
            ) from error
        self.stdout.write(str(path))
