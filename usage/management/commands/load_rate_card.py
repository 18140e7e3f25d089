"""`manage.py load_rate_card [FILE]`: show what a list of prices would change on the rate card, then change it."""

from argparse import ArgumentTypeError
from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from getpass import getuser
from pathlib import Path
from typing import Any, Literal

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from organizations import clock
from usage.models import MAX_FACTOR, AIModel, Markup
from usage.services import (
    cost_map,
    credit,
    markups,
    names,
    price_list,
    rate_card,
    rate_file,
)
from usage.services.rate_card import Change, PriceList

SHOWN, NAMED = 100, 20
"""How many changes are shown unless all are asked for, and how many of what stays or is left out are named."""


class Command(BaseCommand):
    """Load models and their prices: of the public list that comes with Purser, or of a file. What it does not name stays as it is."""

    help = (
        "Load the rate card: from the public price list (genai-prices), a TOML file, or a LiteLLM cost map (JSON). "
        "Shows what becomes dearer, cheaper, new and gone, and asks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path, help="a .toml or .json file; else the public list"
        )
        parser.add_argument("--dry-run", action="store_true", help="only show what would change")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--all", action="store_true", help="show every change, and name all that is left out"
        )
        parser.add_argument("--provider", action="append", default=[], help="only of this one")
        parser.add_argument("--only", nargs="+", default=[], metavar="SLUG", help="only these")
        parser.add_argument(
            "--markup",
            type=_factor,
            metavar="FACTOR",
            help="by what all prices are multiplied, kept as a rule: 1.25; with --provider or --only those",
        )
        parser.add_argument(
            "--from",
            dest="since",
            type=_day,
            metavar="DATE",
            help="from when on its prices hold, where they have no date of their own; today",
        )

        parser.add_argument(
            "--credit-usd",
            type=_credit,
            metavar="DOLLARS",
            help="what a credit is from today on: 0.01; all prices become dearer or cheaper with it",
        )
        parser.add_argument(
            "--retire",
            nargs="?",
            const=True,
            type=_day,
            metavar="DATE",
            help="retire what the list calls deprecated, or has not any more: from this day on, or now",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            listed, wanted = self._read(**options)
            wanted = self._retired(listed, wanted, options["retire"], all=options["all"])
            names.require_own(wanted)
        except rate_card.InvalidRateCard as error:
            raise CommandError(str(error)) from error
        self._name("left out", listed.left_out, all=options["all"])
        _require_there(listed, **options)
        rules = _rules(**options)
        changes = rate_card.compare(wanted) + markups.changes(rules)
        count = len(listed.models)
        if not changes:
            self.stdout.write(f"{count} models, nothing to change")
            return
        self._show(changes, all=options["all"])
        if options["dry_run"]:
            return
        if not options["yes"] and input("Change this? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")
        rate_card.load(wanted, performed_by=f"shell:{getuser()}", progress=self._say)
        markups.load(rules, performed_by=f"shell:{getuser()}")
        self.stdout.write(f"{count} models, {len(changes)} changes made")

    def _read(
        self,
        *,
        file: Path | None,
        since: date | None,
        provider: list[str],
        only: list[str],
        credit_usd: Decimal | None,
        **options: Any,
    ) -> tuple[PriceList, PriceList]:
        """Return what is listed, and what of it is wanted: of a list that others keep only what differs."""
        day, current = since or clock.now().date(), credit.current()
        begin = datetime.combine(day, time(), UTC)
        if since and credit_usd not in (None, current):
            raise CommandError("what a credit is becomes another today: not together with --from")
        said: dict[str, Any] = {
            "since": day,
            "credit_usd": credit_usd or current,
            "only": only,
            "of": provider,
        }
        if file is None:
            listed = price_list.read(**said)
        elif file.suffix == ".json":
            listed = cost_map.read(file, **said)
        else:
            if since or provider or only or options["retire"] or credit_usd:
                raise CommandError(
                    "a TOML file says itself which models, from when on, and what a credit is"
                )
            listed = rate_file.read(file)
            return listed, rate_card.completed(listed, since=begin)
        return listed, rate_card.differing(listed, since=begin)

    def _retired(
        self,
        listed: PriceList,
        wanted: PriceList,
        day: date | Literal[True] | None,
        *,
        all: bool,
    ) -> PriceList:
        """Return what is wanted with what is to be retired; unless it is, say what might be."""
        if day is not None:
            now = clock.now()
            at = now if day is True else max(now, datetime.combine(day, time(), UTC))
            return rate_card.retiring(listed, wanted, at)
        self._name("not listed any more, and stays", rate_card.not_listed(listed), all=all)
        self._name("deprecated, and not retired", rate_card.deprecated(listed), all=all)
        return wanted

    def _name(self, what: str, found: list[str], *, all: bool) -> None:
        """Name what a list does nothing to: some of it, and how many more there are, or all."""
        for each in found if all else found[:NAMED]:
            self.stdout.write(f"{what}: {each}")
        if not all and len(found) > NAMED:
            self.stdout.write(f"{what}: {len(found) - NAMED} more: --all names them")

    def _show(self, changes: list[Change], *, all: bool) -> None:
        table = Table("", "model or rate", "field", "now", "then")
        for change in changes if all else changes[:SHOWN]:
            table.add_row(change.kind, change.subject, change.field, change.before, change.after)
        console = Console(width=140)
        with console.capture() as capture:
            console.print(table)
        self.stdout.write(capture.get())
        if not all and len(changes) > SHOWN:
            self.stdout.write(f"… and {len(changes) - SHOWN} more: --all shows them")
        counts = Counter(change.kind for change in changes)
        self.stdout.write(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))

    def _say(self, done: int, of: int) -> None:
        if of > rate_card.AT_ONCE:
            self.stdout.write(f"{done} of {of} prices written")


def _require_there(
    listed: PriceList,
    *,
    provider: list[str],
    only: list[str],
    markup: Decimal | None,
    **rest: Any,
) -> None:
    """Refuse names that mean nothing: a list has them, or where there is a markup for them, the catalogue."""
    known = listed.models if markup is None else [*listed.models, *AIModel.objects.all()]
    there = {model.slug if only else model.provider for model in known}
    missing = sorted({*(only or provider)} - there)
    if missing:
        raise CommandError(f"not in the list: {', '.join(missing)}")


def _rules(
    *, markup: Decimal | None, since: date | None, provider: list[str], only: list[str], **rest: Any
) -> list[Markup]:
    """Return the rules that a markup of a load is: of what is loaded."""
    if markup is None:
        return []
    said = {"starts_at": datetime.combine(since or clock.now().date(), time(), UTC)}
    of = [{"model_id": slug} for slug in only] or [{"provider": each} for each in provider] or [{}]
    return [Markup(factor=markup, **said, **each) for each in of]


def _factor(text: str) -> Decimal:
    try:
        factor = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text}: a number like 1.25 is expected") from error
    if not factor.is_finite():
        raise ArgumentTypeError(f"{text}: a number like 1.25 is expected")
    if not 0 < factor <= MAX_FACTOR:
        raise ArgumentTypeError(
            f"{text}: a markup is above 0, and at most 1000; what is free has a rate of 0"
        )
    if factor != factor.quantize(Decimal("0.000001")):
        raise ArgumentTypeError(f"{text}: a markup has up to six decimal places")
    return factor


def _credit(text: str) -> Decimal:
    try:
        return credit.read(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text}: a date like 2026-12-01 is expected") from error
