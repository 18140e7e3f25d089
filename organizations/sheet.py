"""CSV for people: what a spreadsheet opens as text stays text. Pure: no Django."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from organizations import moments

_PASSED_OVER = re.compile(r"""^[\s"'`\u200b-\u200f\u2060\ufeff]+""")
"""What a spreadsheet skips, or takes for the quotes of the file, before it looks for a formula."""
_OPERATORS = frozenset("=+-@\N{MINUS SIGN}")
_CONTROLS = frozenset("\t\r\n")


MARK = "\ufeff"
"""By which a spreadsheet knows that a file is UTF-8: without it Excel shows Zoë as ZoÃ«."""


class _Echo:
    """A file that only says what was written to it."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield each row as a line of CSV, one at a time: numbers plain, times as the API writes them, text never a formula."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def file(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a file that people open, or its first lines: the mark, and each row."""
    yield MARK
    yield from lines(rows)


def cell(value: object) -> str:
    """Return a value as it is written in a cell."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.6f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return moments.write(value)
    text = str(value)
    return f"'{text}" if computes(text) else text


def computes(text: str) -> bool:
    """Say whether a spreadsheet would compute a cell that begins like this; a name could be made to.

    Wide forms (`＝`) count as what they stand for, and a control in front is never innocent.
    """
    begins = _PASSED_OVER.sub("", text, count=1)[:1]
    return text[:1] in _CONTROLS or unicodedata.normalize("NFKC", begins) in _OPERATORS
