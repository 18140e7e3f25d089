"""`manage.py rerate --organization org_… --period YYYY-MM-DD`: price a billing period again by the corrected rate card."""

from collections.abc import Iterable, Iterator
from datetime import date
from getpass import getuser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from credits.models import ZERO, BillingPeriod
from credits.templatetags.amounts import credits, signed
from organizations import clock, ids, sheet
from organizations.models import Organization
from usage import services
from usage.services import rerating
from usage.services.rerating import Repriced

COLUMNS = ("event", "occurred_at", "model", "old", "new", "difference", "problem")
SHOWN = 200
"""How many events the table shows; the file has all of them."""


class Command(BaseCommand):
    """Show what each piece of work would cost, and charge again where it differs. Nothing is changed or deleted."""

    help = "Price a billing period again: where it differs, charges are reversed and made anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="org_…")
        parser.add_argument(
            "--period", required=True, metavar="YYYY-MM-DD", help="a day of the billing period"
        )
        parser.add_argument("--dry-run", action="store_true", help="only show what would change")
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="write every event that differs"
        )
        parser.add_argument("--reason", default="the rate card was corrected")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(
        self,
        *args: Any,
        organization: str,
        period: str,
        dry_run: bool,
        csv: Path | None,
        reason: str,
        yes: bool,
        **options: Any,
    ) -> None:
        owner = _organization(organization)
        counted = _period(owner, period)
        found = self._show(rerating.preview(owner, counted, now=clock.now()), csv)
        if dry_run or not found:
            return
        if not yes and input("Charge this again? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")
        self._rerate(owner, counted, reason)

    def _show(self, differing: Iterator[Repriced], file: Path | None) -> int:
        """Show what differs, and write it to a file. Returns how many events would be charged again."""
        total, events = ZERO, 0
        listed: list[Repriced] = []
        for each in _written(differing, file):
            events += 1 if each.difference else 0
            total += each.difference
            if len(listed) < SHOWN:
                listed.append(each)
        if listed:
            self._print(listed)
        self.stdout.write(f"{events} events differ, {signed(total)} credits in all")
        return events

    def _print(self, listed: Iterable[Repriced]) -> None:
        table = Table("event", "occurred", "model", "old", "new", "difference")
        for each in listed:
            told = each.told
            table.add_row(
                told.public_id,
                f"{told.occurred_at:%Y-%m-%d %H:%M}",
                told.model_id,
                credits(each.old),
                each.problem or credits(each.new),
                signed(each.difference),
            )
        console = Console(width=140)
        with console.capture() as capture:
            console.print(table)
        self.stdout.write(capture.get())

    def _rerate(self, owner: Organization, period: BillingPeriod, reason: str) -> None:
        """Do it, some charges at a time: whoever dies in the middle is asked again and does the rest."""
        after: int | None = 0
        events, total = 0, ZERO
        while after is not None:
            done = services.rerate(
                organization=owner,
                period=period,
                reason=reason,
                performed_by=f"shell:{getuser()}",
                now=clock.now(),
                after=after,
            )
            events, total, after = events + done.events, total + done.difference, done.next
            for problem in done.problems:
                self.stderr.write(problem)
        self.stdout.write(f"{events} events charged again, {signed(total)} credits in all")


def _organization(text: str) -> Organization:
    try:
        return Organization.objects.get(id=ids.read("org", text))
    except (ids.MalformedId, Organization.DoesNotExist) as error:
        raise CommandError(f"--organization: {text} is none") from error


def _period(owner: Organization, text: str) -> BillingPeriod:
    """Return the billing period that a day is in."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise CommandError("--period: a day like 2026-05-01 is expected") from error
    periods = BillingPeriod.objects.filter(wallet__organization=owner, starts_at__date__lte=day)
    period = periods.order_by("-index").first()
    if period is None or period.ends_at.date() <= day:
        raise CommandError(f"--period: {owner.public_id} has no billing period with {day}")
    return period


def _written(differing: Iterable[Repriced], file: Path | None) -> Iterator[Repriced]:
    """Pass on what differs, and write it to a file on the way."""
    if file is None:
        yield from differing
        return
    with file.open("w", encoding="utf-8", newline="") as opened:
        opened.writelines(sheet.file([COLUMNS]))
        for each in differing:
            opened.writelines(sheet.lines([_row(each)]))
            yield each


def _row(each: Repriced) -> list[object]:
    told = each.told
    figures = (each.old, each.new, each.difference)
    return [told.public_id, told.occurred_at, told.model_id, *figures, each.problem]
