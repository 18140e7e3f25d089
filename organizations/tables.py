"""Reading a table that people made, CSV or XLSX, as rows of text. Pure: no Django.

What a spreadsheet program writes is read as it is: with a byte order mark or in the alphabet of Windows, with semicolons or tabs, with dates
and numbers that are cells of their own kind. A file is somebody else's: how large it may get is decided before any of it is unpacked.
"""

import csv
import io
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Font

MOST_BYTES = 2 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 60
MOST_CHARACTERS = 1_000
"""Of one cell."""
MOST_UNPACKED_BYTES = 32 * 1024 * 1024
"""Of a workbook: a zip of 2 MB could hold gigabytes."""
MOST_FILES = 200
"""In a workbook."""
MOST_EMPTY = 1_000
"""Rows without a word, beyond those that count: a spreadsheet that was coloured to its end has a million."""

WIDTHS = (24, 90, 24)
"""Of the columns of what is handed out to be filled in."""

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SEPARATORS = (",", ";", "\t")
_REMARK = "#"


class Unreadable(Exception):
    """The file is no table that can be read: the message says why."""


@dataclass
class Row:
    """A row as it stands in the file: its number, as a spreadsheet counts, what its cells say, and what of them cannot be read."""

    number: int
    cells: dict[str, str]
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Each a column and a sentence."""


@dataclass(frozen=True)
class Table:
    """The rows of a file that say something, and how it was read."""

    rows: list[Row]
    columns: list[str]
    read_as: str


def read(
    content: bytes,
    *,
    columns: Collection[str],
    required: Collection[str] = (),
    most_bytes: int = MOST_BYTES,
) -> Table:
    """Return the rows of a file. Its first row names the columns, in any order; rows before it that begin with # are remarks.

    :param columns: those that a row may have
    :param required: those without which it is not the table that is meant
    :raises Unreadable: if it is too large, of no kind that is known, or has other columns
    """
    if not content.strip():
        raise Unreadable("the file is empty")
    if len(content) > most_bytes:
        raise Unreadable(
            f"at most {most_bytes / 1024 / 1024:g} MB are read, the file has {len(content):,} bytes: divide it"
        )
    if content.startswith(_OLD_EXCEL):
        raise Unreadable(
            "the workbook has a password, or is of the old kind (.xls): save it as .xlsx or CSV"
        )
    if content.startswith(_ZIP):
        return _table(_workbook(content), columns, required, "XLSX")
    text, encoding = _decoded(content)
    separator = _separator(text, columns)
    named = {",": "commas", ";": "semicolons", "\t": "tabs"}[separator]
    return _table(_lines(text, separator), columns, required, f"CSV with {named}, {encoding}")


def _table(
    lines: Iterable[Sequence[Any]],
    columns: Collection[str],
    required: Collection[str],
    read_as: str,
) -> Table:
    head: list[str] | None = None
    rows: list[Row] = []
    empty = 0
    for number, line in enumerate(lines, start=1):
        is_empty = not any(_text(value) for value in line)
        if is_empty or (head is None and _text(line[0]).startswith(_REMARK)):
            empty += 1
            if empty > MOST_EMPTY:
                raise Unreadable(f"more than {MOST_EMPTY:,} rows say nothing: remove them")
        elif head is None:
            head = _head(line, columns, required)
        elif len(rows) == MOST_ROWS:
            raise Unreadable(f"at most {MOST_ROWS:,} rows are read: divide the file")
        else:
            rows.append(_row(number, line, head))
    if head is None:
        raise Unreadable("there is no row that names the columns")
    if not rows:
        raise Unreadable("there is no row below that of the names")
    return Table(rows, [name for name in head if name], read_as)


def _head(line: Sequence[Any], columns: Collection[str], required: Collection[str]) -> list[str]:
    """Return the names of the columns as they are called here."""
    head = [_name(_text(value)) for value in line]
    while head and not head[-1]:
        head.pop()
    if len(head) > MOST_COLUMNS:
        raise Unreadable(f"at most {MOST_COLUMNS} columns are read")
    unknown = [name or "(no name)" for name in head if name not in columns]
    if unknown:
        raise Unreadable(
            f"no column is called {', '.join(name[:40] for name in unknown[:5])}; there are {', '.join(columns)}"
        )
    twice = sorted({name for name in head if head.count(name) > 1})
    if twice:
        raise Unreadable(f"the column {twice[0]} is there twice")
    missing = [name for name in required if name not in head]
    if missing:
        raise Unreadable(f"the column {missing[0]} is missing")
    return head


def _name(text: str) -> str:
    return "_".join(text.strip("*").lower().replace("-", " ").replace("_", " ").split())


def _row(number: int, line: Sequence[Any], head: Sequence[str]) -> Row:
    row = Row(number, {})
    for name, value in zip(head, line, strict=False):
        problem = _problem(value)
        if problem is not None:
            row.problems.append((name, problem))
        elif text := _text(value):
            row.cells[name] = text
    if any(_text(value) for value in line[len(head) :]):
        row.problems.append(("", "More cells than there are columns: is a separator in a text?"))
    return row


class _Formula:
    """A cell that is computed, or could not be."""


def _problem(value: Any) -> str | None:
    if isinstance(value, _Formula):
        return "A formula, or its error: paste its value instead."
    text = _text(value)
    if len(text) > MOST_CHARACTERS:
        return f"Longer than {MOST_CHARACTERS:,} characters."
    return None


def _text(value: Any) -> str:
    """Return what a cell says. Of a number no more than it shows: `5`, not `5.0`."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    if isinstance(value, _Formula):
        return "="
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{Decimal(repr(value)):f}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def _decoded(content: bytes) -> tuple[str, str]:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    for name in (encoding, "cp1252"):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise Unreadable("this is neither CSV nor XLSX")
        return text, {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252"}.get(name, name.upper())
    raise Unreadable("the letters cannot be read: save the file as UTF-8")


def _separator(text: str, columns: Collection[str]) -> str:
    """Return what stands between the cells: what makes the row of the names name the most columns."""
    lines = text.lstrip("\ufeff").splitlines()[: MOST_EMPTY + 1]
    if lines and lines[0].lower().startswith("sep=") and lines[0][4:5] in _SEPARATORS:
        return lines[0][4:5]
    said = (line for line in lines if line.strip(' ,;\t"') and not line.lstrip('"').startswith("#"))
    head = next(said, "")

    def known(separator: str) -> int:
        return sum(_name(part.strip('"')) in columns for part in head.split(separator))

    return max(_SEPARATORS, key=known)


def _lines(text: str, separator: str) -> Iterator[Sequence[str]]:
    """Yield the cells of each row of CSV; the line by which a spreadsheet is told of the separator is none."""
    file = io.StringIO(text.lstrip("\ufeff"), newline="")
    if text[:4].lower() == "sep=":
        file.readline()
    try:
        for line in csv.reader(file, delimiter=separator, strict=True):
            yield line or [""]
    except csv.Error as error:
        raise Unreadable(f"the quotes of the file do not match: {error}") from error


def _workbook(content: bytes) -> Iterator[Sequence[Any]]:
    """Yield the cells of each row of the first sheet of a workbook."""
    _require_small(content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        sheet = next(iter(book.worksheets), None)
        if sheet is None:
            raise Unreadable("the workbook has no sheet")
        # What a sheet says of its own size may be anything.
        sheet.reset_dimensions()
        for cells in sheet.iter_rows(max_col=MOST_COLUMNS + 1):
            yield [_value(cell) for cell in cells] or [None]
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"the workbook cannot be read ({type(error).__name__})") from error


def _value(cell: Any) -> Any:
    kind = getattr(cell, "data_type", None)
    return _Formula() if kind in ("f", "e") else cell.value


def _require_small(content: bytes) -> None:
    """Refuse a workbook that is larger than it looks. More than it announces is never unpacked: `zipfile` stops there."""
    try:
        files = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except zipfile.BadZipFile as error:
        raise Unreadable("the workbook is broken") from error
    if any(file.flag_bits & 1 for file in files):
        raise Unreadable("the workbook has a password")
    unpacked = sum(file.file_size for file in files)
    if len(files) > MOST_FILES or unpacked > MOST_UNPACKED_BYTES:
        raise Unreadable(
            f"unpacked the workbook is too large ({unpacked:,} bytes in {len(files):,} files): save it as CSV"
        )


def workbook(columns: Mapping[str, str], examples: Mapping[str, str]) -> bytes:
    """Return an XLSX to fill in: a sheet with a name over each column, and one that explains them."""
    book = openpyxl.Workbook(write_only=True)
    rows = _sheet(book, "Rows")
    rows.append([_noted(rows, name, about) for name, about in columns.items()])
    explained = _sheet(book, "Columns")
    explained.append(["column", "what it is", "for example"])
    for name, about in columns.items():
        explained.append([name, about, examples.get(name, "")])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _sheet(book: openpyxl.Workbook, title: str) -> Any:
    """Return a new sheet. The types of the library know nothing of how wide its columns are."""
    sheet: Any = book.create_sheet(title)
    for column, width in zip("ABC", WIDTHS, strict=True):
        sheet.column_dimensions[column].width = width
    return sheet


def _noted(sheet: Any, name: str, about: str) -> Any:
    cell = WriteOnlyCell(sheet, value=name)
    cell.font = Font(bold=True)
    cell.comment = Comment(about, "Purser")
    return cell
