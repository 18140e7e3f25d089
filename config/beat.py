"""The beat: rings for the tasks as their rows in the database say, also after a clock that jumped ahead and came back."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler

LEAP = timedelta(minutes=1)


def show_alive() -> None:
    """Touch the file by which whoever watches over beat sees that it turns."""
    file: Path = settings.DATA_DIR / "run" / "beat"
    # Where nothing can be written nobody watches by it, and beat goes on.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


class Scheduler(DatabaseScheduler):
    """The database scheduler, without its memory of a future that did not come.

    It computes the next ring from the last one. When a clock jumps a year ahead and back, the last one is a year away, and it would be
    silent for a year.
    """

    looked_at: datetime | None = None

    def tick(self, *args: Any, **options: Any) -> float:
        now = self.app.now()
        if self.looked_at is None or now < self.looked_at - LEAP:
            self._forget_the_future(now)
        self.looked_at = now
        show_alive()
        seconds: float = super().tick(*args, **options)
        return seconds

    def _forget_the_future(self, now: datetime) -> None:
        for entry in self.schedule.values():
            if entry.last_run_at > now:
                entry.last_run_at = entry.model.last_run_at = now
        self._heap = None
