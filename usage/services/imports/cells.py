"""What the cells of an import mean: a column says what it is, and reads its text by the rules of the API, or says why it cannot."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from credits.models import MAX_AMOUNT
from organizations.fields import NameField, StrictChar, StrictEmail

_AMOUNT = re.compile(r"[0-9]{1,14}(\.[0-9]{1,6})?")
_WHOLE = re.compile(r"[0-9]{1,18}")
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?"
)
_YEARS = range(2000, 2201)
SHOWN = 40
"""How much of a cell is repeated in what is said of it."""

Problem = tuple[str, str]
"""A column, and what is wrong with it."""


class Misread(ValueError):
    """A cell does not say what it should."""


@dataclass(frozen=True)
class Column:
    """A column of a file: what it is called, what it says, and how a cell of it is read."""

    name: str
    about: str
    read: Callable[[str], Any]
    example: str = ""
    required: bool = False
    default: Any = None


def read_cells(
    columns: Sequence[Column], cells: Mapping[str, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return what the cells of a row mean, by column, and what is wrong with them."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for column in columns:
        text = cells.get(column.name, "")
        if not text:
            values[column.name] = column.default
            if column.required:
                problems.append((column.name, "Empty."))
            continue
        try:
            values[column.name] = column.read(text)
        except Misread as error:
            problems.append((column.name, str(error)))
    return values, problems


def _shown(text: str) -> str:
    return f"“{text[:SHOWN]}{'…' if len(text) > SHOWN else ''}”"


def by(field: serializers.Field) -> Callable[[str], Any]:
    """Return a reader that takes what a field of the API takes."""

    def read(text: str) -> Any:
        try:
            return field.run_validation(text)
        except serializers.ValidationError as error:
            said = error.detail if isinstance(error.detail, list) else [error.detail]
            raise Misread(" ".join(str(sentence) for sentence in said)) from error

    return read


def text(longest: int) -> Callable[[str], Any]:
    """Return a reader of text that people read."""
    return by(StrictChar(max_length=longest))


def name(longest: int = 128) -> Callable[[str], Any]:
    """Return a reader of a name that others match by: it has one spelling."""
    return by(NameField(max_length=longest))


email = by(StrictEmail())


def amount(text: str) -> Decimal:
    """Return credits. What may stand between thousands in one country is the decimal point of another, so nothing may."""
    if not _AMOUNT.fullmatch(text):
        raise Misread(
            f"{_shown(text)} is no amount: 1250 or 0.5, with a point, and nothing between thousands."
        )
    value = Decimal(text)
    if value > MAX_AMOUNT:
        raise Misread(f"At most {MAX_AMOUNT:f}.")
    return value


def more_than_nothing(text: str) -> Decimal:
    """Return credits that are more than 0."""
    value = amount(text)
    if not value:
        raise Misread("More than 0 is required.")
    return value


def whole(most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from 0."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) > most:
            raise Misread(f"{_shown(text)} is no whole number between 0 and {most}.")
        return int(text)

    return read


def yes_or_no(text: str) -> bool:
    """Return what somebody says yes or no to."""
    said = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in said:
        raise Misread(f"{_shown(text)} is neither yes nor no.")
    return said[text.lower()]


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of a few words, in whatever case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise Misread(f"{_shown(text)} is none of {', '.join(words)}.")
        return text.lower()

    return read


def several(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a reader of some of a few words, with spaces or commas between them."""

    def read(text: str) -> list[str]:
        found = re.split(r"[\s,;|]+", text.strip(" ,;|"))
        unknown = [word for word in found if word not in words]
        if unknown:
            raise Misread(f"{_shown(unknown[0])} is none of {', '.join(words)}.")
        return sorted(set(found))

    return read


def moment(text: str) -> datetime:
    """Return a moment. Of a day alone it is its beginning, and without an offset it is in UTC."""
    if not _MOMENT.fullmatch(text):
        raise Misread(
            f"{_shown(text)} is no moment: 2026-12-31, or 2026-12-31T23:59:00Z with Z or an offset."
        )
    try:
        value = datetime.fromisoformat(text)
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Misread(f"{_shown(text)} is in no calendar.") from error
    if value.year not in _YEARS:
        raise Misread(f"{_shown(text)} is not between {_YEARS[0]} and {_YEARS[-1]}.")
    return value


def end(text: str) -> datetime:
    """Return a moment at which something ends. A day alone is meant with all its hours; so is one that a spreadsheet gave its midnight."""
    value = moment(text)
    is_a_day = len(text) == 10 or text[10:] in ("T00:00:00", " 00:00:00")
    return value + timedelta(days=1) if is_a_day else value


def day(text: str) -> Any:
    """Return a day."""
    value = moment(text)
    if len(text) > 10 and text[10:] not in ("T00:00:00", " 00:00:00"):
        raise Misread(f"{_shown(text)} is no day: 2026-12-31.")
    return value.date()
