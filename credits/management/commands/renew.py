"""`manage.py renew`: open the periods that are due, for everybody; or show what that would change."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from credits import services
from credits.services.renewals import Turn, preview_renewal
from credits.tasks import RENEW
from organizations import clock, ids, jobs, sheet
from organizations.models import Env, Failure, Job, Organization

WAIT_SECONDS = 1.0
HEADINGS = Turn._fields
BATCH = 500


class Command(BaseCommand):
    """Share the renewals that are due with the workers until there are none; safe to stop and to run again."""

    help = "Open the billing periods that are due: lapse, roll over, renew. Stopped, it goes on where it was."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--dry-run", action="store_true", help="show what would change, and change nothing")
        add("--csv", metavar="FILE", help="with --dry-run: write it there as CSV; - is the output")
        add("--organization", help="only this one (org_…)")
        add("--sandboxes", action="store_true", help="with --dry-run: show those of sandboxes too")

    def handle(
        self,
        *,
        dry_run: bool,
        csv: str | None,
        organization: str | None,
        sandboxes: bool,
        **options: Any,
    ) -> None:
        if csv and not dry_run:
            raise CommandError("--csv: it is what --dry-run would show; give both")
        now = clock.now()
        due = jobs.preview(RENEW, now=now)
        if organization:
            due = due.filter(id=_id(organization))
        elif dry_run and not sandboxes:
            due = due.filter(env=Env.LIVE)
        if dry_run:
            self._show(due, csv=csv, now=now)
        elif organization:
            for one in due:
                services.renew(organization=one, now=now)
            self.stdout.write("renewed" if due else "nothing was due")
        else:
            self._renew()

    def _renew(self) -> None:
        done = failed = 0
        with _progress() as progress:
            bar = progress.add_task("renewing", total=None)

            def report(job: Job) -> None:
                progress.update(bar, total=job.total, completed=job.done + job.failed)

            try:
                for job in _jobs(report):
                    done, failed = done + job.done, failed + job.failed
            except KeyboardInterrupt:
                raise CommandError(
                    "stopped; what is done is done, and the next run goes on with the rest",
                    returncode=130,
                ) from None
        self.stdout.write(f"{done:,} renewed, {failed:,} failed")
        if failed:
            self._say_failures()

    def _say_failures(self) -> None:
        failures = Failure.objects.filter(kind=RENEW.kind, resolved_at=None)
        for failure in failures.select_related("organization").order_by("id").iterator():
            owner = failure.organization
            assert owner is not None
            error = failure.error.splitlines()[0]
            self.stdout.write(f"  {owner.public_id} ({owner.name}), {failure.attempts}×: {error}")
        raise CommandError(
            "some failed: they are tried three times in all, and are then left to staff"
        )

    def _show(self, due: QuerySet[Organization], *, csv: str | None, now: datetime) -> None:
        turns = (turn for one in due.iterator(BATCH) for turn in preview_renewal(one, now=now))
        if csv is None:
            self._table(turns)
            return
        rows = ((turn.organization.public_id, turn.organization.name, *turn[1:]) for turn in turns)
        table = chain([("organization_id", "name", *HEADINGS[1:])], rows)
        if (
            csv == "-"
        ):  # for a program, which would take the mark of a file for a part of the first title
            for text in sheet.lines(table):
                self.stdout.write(text, ending="")
            return
        try:
            with Path(csv).open("w", encoding="utf-8", newline="") as file:
                file.writelines(sheet.file(table))
        except OSError as error:
            raise CommandError(f"--csv: {error}") from error

    def _table(self, turns: Iterator[Turn]) -> None:
        line = "{:<28} {:<10} {:<10} {:>16} {:>16} {:>16} {:>16} {:>16}"
        titles = ("opens", "until", "balance", "lapses", "rolls over", "granted", "then")
        self.stdout.write(line.format("organization", *titles))
        count = 0
        for turn in turns:
            count += 1
            name = turn.organization.name
            amounts = (turn.balance_before, turn.lapsed, turn.rolled_over, turn.granted)
            self.stdout.write(
                line.format(
                    name if len(name) <= 28 else f"{name[:27]}…",
                    f"{turn.starts_at:%Y-%m-%d}",
                    f"{turn.ends_at:%Y-%m-%d}",
                    *(f"{amount.normalize():,f}" for amount in (*amounts, turn.balance_after)),
                )
                + (f"  {turn.stub}" if turn.stub else "")
            )
        self.stdout.write(f"{count:,} periods would open; nothing was changed")


def _jobs(report: Any) -> Iterator[Job]:
    """Work on one job after the other until nothing is due; yield each when it is over, whoever ended it."""
    worker = f"manage.py renew on {socket.gethostname()}/{os.getpid()}"
    while run := jobs.run(RENEW, now=clock.now, worker=worker, seconds=float("inf"), report=report):
        while run.job.finished_at is None:
            # Somebody else has the last batches, or died with them.
            time.sleep(WAIT_SECONDS)
            jobs.run(
                RENEW,
                now=clock.now,
                worker=worker,
                seconds=float("inf"),
                begin=False,
                report=report,
            )
            run.job.refresh_from_db()
        yield run.job


@contextmanager
def _progress() -> Iterator[Progress]:
    """On stderr, so that what is said at the end is all that a script reads."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        yield progress


def _id(organization: str) -> str:
    try:
        return str(ids.read("org", organization))
    except ids.MalformedId as error:
        raise CommandError(f"--organization: {error}") from error
