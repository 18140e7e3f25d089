"""`manage.py import_rows`: bring rows from a file as the console does: looked at first, then carried out, organization by organization."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from organizations import clock, jobs, scopes, sheet, tables
from organizations.history import UNSAID
from organizations.models import ApiKey, Import, ImportPart
from usage.services import imports
from usage.services.imports import KINDS, NotStartable, Secret

MOST_BYTES = 16 * 1024 * 1024
"""Of a file: whoever has a shell waits for no request."""
WAIT_SECONDS = 0.5
SHOWN = 50
SECRETS = ("row", "organization", "name", "id", "secret")


class Command(BaseCommand):
    """Share the work with the workers until it is done; safe to stop, and to go on with."""

    help = "Import customers, people, keys, opening balances, limits or usage history from CSV or XLSX."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("kind", choices=[*KINDS], nargs="?", help="what the rows are")
        add("file", type=Path, nargs="?", help="CSV or XLSX; the first row names the columns")
        add("--reason", help="why: kept in the history of everything that it makes")
        add("--by", default=UNSAID, help="who does it, for the histories and the ledger")
        add("--dry-run", action="store_true", help="say what it would make, and make nothing")
        add("--secrets", type=Path, metavar="FILE", help="of keys: where their secrets go, once")
        add("--resume", metavar="ID", help="go on with an import that was stopped")

    def handle(self, **options: Any) -> None:
        try:
            self._handle(**options)
        except KeyboardInterrupt:
            raise CommandError("stopped; what is done is done: --resume goes on", 130) from None

    def _handle(
        self, *, resume: str | None, dry_run: bool, by: str, secrets: Path | None, **options: Any
    ) -> None:
        whole = _found(resume) if resume else self._brought(by=by, **options)
        self._until(whole, "looking", lambda: whole.checked_at is not None)
        self._say_parts(whole)
        if whole.problems:
            self._say_problems(whole)
            raise CommandError(f"{whole.problems:,} rows are wrong: nothing was made")
        if dry_run:
            self.stdout.write("nothing was made")
            return
        if whole.started_at is None:
            _start(whole, by=by, secrets=secrets)
        self._until(whole, "importing", lambda: whole.finished_at is not None)
        self._say_outcome(whole)

    def _brought(
        self, *, kind: str | None, file: Path | None, reason: str | None, by: str, **options: Any
    ) -> Import:
        if not kind or not file:
            raise CommandError("say what the rows are, and the file; or --resume ID")
        if not reason:
            raise CommandError("--reason: say why")
        try:
            if file.stat().st_size > MOST_BYTES:
                raise CommandError(f"{file}: at most {MOST_BYTES // 1024 // 1024} MB are read")
            content = file.read_bytes()
            table = imports.read_file(KINDS[kind], content, most_bytes=MOST_BYTES)
        except OSError as error:
            raise CommandError(str(error)) from error
        except tables.Unreadable as error:
            raise CommandError(f"{file}: {error}") from error
        whole = imports.begin_import(
            kind=KINDS[kind],
            table=table,
            file_name=file.name,
            reason=reason,
            performed_by=by,
            scopes=scopes.ALL_SCOPES,
            tiers=[tier for tier in ApiKey.Tier.values if tier != ApiKey.Tier.SANDBOX],
            now=clock.now(),
        )
        self.stdout.write(f"import {whole.pk}: {whole.rows:,} rows, read as {whole.read_as}")
        return whole

    def _until(self, whole: Import, doing: str, is_over: Callable[[], bool]) -> None:
        """Do what workers do, or wait for whoever does it, until one phase of an import is over."""
        worker = f"manage.py import_rows on {socket.gethostname()}/{os.getpid()}"
        with _progress() as progress:
            bar = progress.add_task(doing, total=whole.parts)
            while not is_over():
                jobs.run(imports.IMPORT, now=clock.now, worker=worker, seconds=WAIT_SECONDS)
                whole.refresh_from_db()
                waiting = ImportPart.State.READY if whole.checked_at else ImportPart.State.WAITING
                left = whole.part_set.filter(state=waiting).count()
                progress.update(bar, completed=whole.parts - left)
                if not is_over() and imports.to_do().exists():
                    time.sleep(0.01)

    def _say_parts(self, whole: Import) -> None:
        for part in whole.part_set.order_by("turn")[:SHOWN]:
            self.stdout.write(f"  {part.name}: {part.said}")
        if whole.parts > SHOWN:
            self.stdout.write(f"  and {whole.parts - SHOWN:,} more")

    def _say_problems(self, whole: Import) -> None:
        for row in imports.wrong_rows(whole).iterator():
            for column, said in row.problems:
                self.stdout.write(f"row {row.number}, {column or 'the row'}: {said}")

    def _say_outcome(self, whole: Import) -> None:
        rows = imports.progress_of(whole).rows
        made, there, failed = (rows.get(state, 0) for state in ("made", "there", "failed"))
        self.stdout.write(f"{made:,} made, {there:,} there already, {failed:,} not made")
        if failed:
            self._say_problems(whole)
            raise CommandError("some organizations changed meanwhile: nothing of them was made")


def _start(whole: Import, *, by: str, secrets: Path | None) -> None:
    """Start an import. The secrets of its keys are in the file before anybody mints them."""
    if whole.kind == "keys" and secrets is None:
        raise CommandError("--secrets: keys need a file for their secrets, which is made")
    try:
        with transaction.atomic():
            told = imports.start_import(whole=whole, by=by, now=clock.now())
            if secrets is not None:
                _write(secrets, told)
    except NotStartable as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"--secrets: {error}") from error


def _write(path: Path, secrets: list[Secret]) -> None:
    """Write secrets into a new file that nobody else may read."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.writelines(sheet.lines([SECRETS, *secrets]))
        file.flush()
        os.fsync(file.fileno())


def _found(text: str) -> Import:
    try:
        return Import.objects.get(pk=UUID(text))
    except (ValueError, ValidationError, Import.DoesNotExist) as error:
        raise CommandError(f"--resume: there is no import {text}") from error


def _progress() -> Progress:
    """On stderr, so that what is said at the end is all that a script reads."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
