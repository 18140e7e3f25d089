"""Lists, newest first, a page at a time: `{items, nextCursor}`.

Keyset, not offset: a page begins after the last row of the one before, so rows that arrive meanwhile neither repeat nor hide one. Where
a page looked at as many rows as it may and found less than it has room for, it ends there, and the next goes on from there.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    F,
    Field,
    Func,
    IntegerField,
    Model,
    Q,
    QuerySet,
    Value,
)
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from organizations.fields import MAX_INTEGER, QueryInteger, StrictChar
from organizations.strict import StrictQuery

Row = TypeVar("Row", bound=Model)

DEFAULT_LIMIT = 25
LOOKED_AT = 2_000
"""How many rows a page looks at where no index knows what it is asked for."""

_NOT_OURS = "Not a cursor of this list."


class PageQuery(StrictQuery):
    """`limit` and `cursor`, the query of every list. Lists that filter add their own fields."""

    limit = QueryInteger(min_value=1, max_value=100, default=DEFAULT_LIMIT)
    cursor = StrictChar(required=False, max_length=200)


def page(
    rows: QuerySet[Row],
    *,
    limit: int,
    cursor: str | None = None,
    by: str | Sequence[str] = "id",
    ascending: bool = False,
    list_name: str = "",
    either: Sequence[Q] = (),
    sifted: Q | None = None,
) -> tuple[list[Row], str | None]:
    """Return at most `limit` rows, newest first, and the cursor of the next page or None.

    `by` names what grows with time and is unique: a UUID of version 7, a number, or several columns that are so together. `ascending`
    begins with the lowest. A cursor is of the list that made it, by `list_name`, and opens no other. For `either` and `sifted` see
    `organizations.listing`: with `sifted` a page may have fewer rows than there are, and still a cursor.

    :raises ValidationError: if the cursor is not one that this function made, for this list
    """
    columns = [by] if isinstance(by, str) else list(by)
    place = f"{list_name or rows.model.__name__}:{'.'.join(columns)}"
    if cursor is not None:
        fields = [_field(rows, column) for column in columns]
        after = _decode(cursor, place, fields)
        rows = rows.filter(_Compared(columns, ">" if ascending else "<", after))
    rows = rows.order_by(*(name if ascending else f"-{name}" for name in columns))
    last = None
    if sifted is not None:
        last = _last_looked_at(rows, columns)
        if last is not None:
            rows = rows.filter(_Compared(columns, "<=" if ascending else ">=", last))
        rows = rows.filter(sifted)
    found = list(_of_either(rows, either, limit + 1)[: limit + 1])
    if len(found) > limit:
        last = [getattr(found[limit - 1], column) for column in columns]
    return found[:limit], None if last is None else _encode(last, place)


class _Compared(Func):
    """How a row compares with a place, in the order of several columns: one comparison of rows, which an index answers."""

    output_field = BooleanField()

    def __init__(self, columns: Sequence[str], operator: str, place: Sequence[Any]) -> None:
        super().__init__(*(F(name) for name in columns), *(Value(value) for value in place))
        self.operator = operator

    def as_sql(
        self, compiler: Any, connection: Any, *args: Any, **context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        parts = [compiler.compile(each) for each in self.get_source_expressions()]
        texts, half = [text for text, _ in parts], len(parts) // 2
        sql = f"({', '.join(texts[:half])}) {self.operator} ({', '.join(texts[half:])})"
        return sql, tuple(value for _, values in parts for value in values)


def _last_looked_at(rows: QuerySet[Row], columns: Sequence[str]) -> Sequence[Any] | None:
    """Return the place of the last row that a page may look at; None if there are no more than that."""
    return rows.values_list(*columns)[LOOKED_AT - 1 : LOOKED_AT].first()


def _of_either(rows: QuerySet[Row], either: Sequence[Q], count: int) -> QuerySet[Row]:
    """Return rows of which so many are the first that are one or the other: of each, so many are read."""
    if not either:
        return rows
    if len(either) == 1:
        return rows.filter(either[0])
    first, *others = (rows.filter(each).values("pk")[:count] for each in either)
    return rows.filter(pk__in=first.union(*others, all=True))


def page_of(
    shape: type[serializers.BaseSerializer], **beside: serializers.Field
) -> serializers.Serializer:
    """Return the serializer of a page of `shape`, for the OpenAPI document.

    :param beside: what else the page says
    """
    cursor = serializers.CharField(allow_null=True)
    return inline_serializer(
        f"{shape.__name__}Page", {"items": shape(many=True), "nextCursor": cursor, **beside}
    )


def _field(rows: QuerySet[Row], column: str) -> "Field[Any, Any]":
    """Return the field of a column; of a foreign key, the one that it refers to."""
    field: Any = rows.model._meta.get_field(column)
    target: Field[Any, Any] = getattr(field, "target_field", field)
    return target


def _encode(values: Sequence[Any], place: str) -> str:
    said = "|".join(
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
        for value in values
    )
    return base64.urlsafe_b64encode(f"{place}:{said}".encode()).decode().rstrip("=")


def _decode(cursor: str, place: str, fields: "Sequence[Field[Any, Any]]") -> list[Any]:
    """Return the values in a cursor; whatever does not come back as it went in is not one."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded).decode().removeprefix(f"{place}:")
        parts = text.split("|", len(fields) - 1)  # a last one that is text may have any sign
        values = [_read(part, field) for part, field in zip(parts, fields, strict=True)]
        is_ours = _encode(values, place) == cursor
    except (ValueError, OverflowError, binascii.Error) as error:
        raise serializers.ValidationError({"cursor": [_NOT_OURS]}) from error
    if not is_ours:
        raise serializers.ValidationError({"cursor": [_NOT_OURS]})
    return values


def _read(text: str, field: "Field[Any, Any]") -> Any:
    """Return a value as it stands in a cursor.

    :raises ValueError: if it is none of the field's
    """
    if isinstance(field, DateTimeField):
        return datetime.fromisoformat(text)
    if isinstance(field, CharField):
        if "\0" in text:
            raise ValueError("no text that is kept has a NUL")
        return text
    if not isinstance(field, IntegerField):
        return UUID(text)
    number = int(text)
    if not 0 <= number <= MAX_INTEGER:
        raise ValueError(f"{number} is not in any list")
    return number
