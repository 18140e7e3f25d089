"""CSV for people: what a spreadsheet opens as text stays text. Pure: no Django."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute; a name could be made to."""


class _Echo:
    """A file that only says what was written to it."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield each row as a line of CSV, one at a time: numbers plain, times in ISO 8601, text never a formula."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: object) -> str:
    """Return a value as it is written in a cell."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.6f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
