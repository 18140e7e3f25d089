"""A usage trace: a CSV of requests, when each one came and how many tokens it took."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal
from itertools import islice
from pathlib import Path

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
SMALLEST_CREDIT = Decimal("0.000001")
TOKENS = re.compile(r"[0-9]{1,12}")


class BadTrace(Exception):
    """The file is not a usage trace; the message names the line and the column."""


@dataclass(frozen=True)
class Work:
    """One line: a request of the past."""

    line: int
    came_at: datetime
    context_tokens: int
    generated_tokens: int

    @property
    def tokens(self) -> int:
        return self.context_tokens + self.generated_tokens


def read(path: Path, *, limit: int | None = None) -> list[Work]:
    """Return the requests of a trace, in its order; with `limit`, that many of the first.

    :raises BadTrace: if the file cannot be read, has no requests, or a value is not what its column says
    """
    try:
        # Some spreadsheets begin a file with a mark that is not part of the first column's name.
        with open(path, newline="", encoding="utf-8-sig") as file:
            work = list(islice(_requests(path, csv.DictReader(file)), limit))
    except OSError as error:
        raise BadTrace(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadTrace(f"{path} is not text in UTF-8") from error
    if not work:
        raise BadTrace(f"{path} holds no requests")
    return work


def price(tokens: int, *, per_1000: Decimal) -> Decimal:
    """Return what tokens cost in credits, rounded up at six places."""
    return (per_1000 * tokens).scaleb(-3).quantize(SMALLEST_CREDIT, rounding=ROUND_UP)


def _requests(path: Path, rows: "csv.DictReader[str]") -> Iterator[Work]:
    try:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise BadTrace(f"{path}: line 1: no column {', '.join(missing)}")
        for row in rows:
            yield _work(f"{path}: line {rows.line_num}", rows.line_num, row)
    except csv.Error as error:
        raise BadTrace(f"{path}: line {rows.line_num}: {error}") from error


def _work(where: str, line: int, row: Mapping[str, str | None]) -> Work:
    came_at, context, generated = (row[name] or "" for name in COLUMNS)
    return Work(
        line=line,
        came_at=_moment(where, COLUMNS[0], came_at),
        context_tokens=_tokens(where, COLUMNS[1], context),
        generated_tokens=_tokens(where, COLUMNS[2], generated),
    )


def _moment(where: str, column: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadTrace(f"{where}, {column}: {text!r} is not a time") from error
    # In one file all have a zone or none has: only differences are ever used.
    return moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta(0))


def _tokens(where: str, column: str, text: str) -> int:
    if not TOKENS.fullmatch(text):
        raise BadTrace(f"{where}, {column}: {text!r} is not a number of tokens")
    return int(text)
