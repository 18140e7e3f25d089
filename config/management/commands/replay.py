"""`manage.py replay`: drive a running server with a usage trace, and check its ledger afterwards."""

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from config import trace
from config.replay import (
    Audit,
    ByCredits,
    ByModel,
    Client,
    Pricing,
    Refused,
    Replay,
    Tally,
    Unreachable,
    audit,
    percentile,
)

DIFFERENCES_SHOWN = 10
API_KEY = "PURSER_API_KEY"
"""The environment variable that holds the key."""


class Command(BaseCommand):
    """Reserve and settle every request of a trace; exit with 1 if the ledger says something else."""

    help = (
        "Send a usage trace (CSV: TIMESTAMP, ContextTokens, GeneratedTokens) to a running server:"
        " reserve an upper bound of each request, settle what it cost, compare with the ledger."
    )
    # Everything goes over HTTP: no database, nothing to check.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("file", type=Path)
        add(
            "--api-key",
            default=os.environ.get(API_KEY),
            required=API_KEY not in os.environ,
            help=f"with the scopes usage:write and credits:read; better in {API_KEY}, where no list of processes shows it",
        )
        priced = parser.add_mutually_exclusive_group(required=True).add_argument
        priced("--credits-per-1000-tokens", type=_price, metavar="CREDITS")
        priced("--model", help="let the server's rate card price the tokens, as of this model")
        add("--url", type=_url, default=f"http://127.0.0.1:{settings.PORT}")
        add("--concurrency", type=_count, default=4, metavar="N", help="requests at a time (4)")
        add("--speed", type=_speed, metavar="X", help="times real time; else as fast as it goes")
        add("--limit", type=_count, metavar="N", help="only the first N requests")

    def handle(self, *args: Any, file: Path, limit: int | None, **options: Any) -> None:
        # Its warnings of every retry would tear the progress bar; the summary counts them.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        try:
            work = trace.read(file, limit=limit)
            self._replay(work, **options)
        except (trace.BadTrace, Unreachable, Refused) as error:
            raise CommandError(str(error)) from error

    def _replay(
        self,
        work: Sequence[trace.Work],
        *,
        url: str,
        api_key: str,
        concurrency: int,
        model: str | None,
        credits_per_1000_tokens: Decimal | None,
        **options: Any,
    ) -> None:
        client = Client(url, api_key, connections=concurrency)
        organization = client.greet()
        if model is not None:
            client.require_model(model)
        balance, last_event = client.balance(), client.last_event()
        replay = Replay(
            client,
            work,
            pricing=_pricing(model, credits_per_1000_tokens),
            concurrency=concurrency,
            speed=options["speed"],
        )
        with _progress() as progress:
            bar = progress.add_task(organization, total=len(work))
            replay.run(on_done=lambda: progress.advance(bar))
        self.stdout.write(_summary(replay.tally, of=len(work), concurrency=concurrency))
        self._say(audit(client, replay, last_event=last_event, balance=balance))

    def _say(self, found: Audit) -> None:
        if found.agrees:
            self.stdout.write(
                f"The ledger agrees to the last digit: {found.entries:,} entries,"
                f" {found.booked:,f} credits."
            )
            return
        for difference in found.differences[:DIFFERENCES_SHOWN]:
            self.stdout.write(f"  {difference}")
        raise CommandError(f"The ledger does not agree: {len(found.differences):,} differences.")


def _pricing(model: str | None, per_1000: Decimal | None) -> Pricing:
    """Return the one of the two that was given: the parser sees to it that one is."""
    return ByModel(model) if model is not None else ByCredits(per_1000 or Decimal(0))


def _progress() -> Progress:
    """On stderr, so that the summary alone is what a script reads."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _summary(tally: Tally, *, of: int, concurrency: int) -> str:
    rate = tally.requests / tally.elapsed if tally.elapsed else 0
    sent = f"{tally.requests:,} of {of:,} requests in {tally.elapsed:,.1f} s"
    lines = [
        f"{sent}: {rate:,.1f} requests/s, {concurrency} at a time",
        f"  settled   {len(tally.settled):,}",
        f"  denied    {_counted(tally.denials)}",
        f"  errors    {_counted(tally.errors)}",
        f"  retries   {tally.retries:,}",
        f"  credits   {tally.held:,f} held, {tally.charged:,f} settled",
        *(_timing(call, seconds) for call, seconds in tally.seconds.items() if seconds),
    ]
    return "\n".join(lines)


def _counted(counts: dict[str, int]) -> str:
    reasons = ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items()))
    return f"{sum(counts.values()):,}" + (f" ({reasons})" if reasons else "")


def _timing(call: str, seconds: Sequence[float]) -> str:
    parts = [
        f"p{percent} {percentile(seconds, percent) * 1000:,.1f} ms" for percent in (50, 95, 99)
    ]
    return f"  {call:<9} {', '.join(parts)}"


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and price > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of credits")
    return price


def _url(text: str) -> str:
    try:
        url = parse_url(text)
    except LocationParseError:
        url = parse_url("")
    if url.scheme not in ("http", "https") or not url.host:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address like http://127.0.0.1:8000")
    return text


def _positive(read: Callable[[str], float], text: str) -> float:
    try:
        number = read(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def _count(text: str) -> int:
    return int(_positive(int, text))


def _speed(text: str) -> float:
    return _positive(float, text)
