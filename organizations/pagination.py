"""Lists, newest first, a page at a time: `{items, nextCursor}`.

Keyset, not offset: a page begins after the last row of the one before, so rows that arrive meanwhile neither repeat nor hide one.
"""

import base64
import binascii
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import IntegerField, Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from organizations.fields import MAX_INTEGER, QueryInteger, StrictChar, StrictQuery

Row = TypeVar("Row", bound=Model)

DEFAULT_LIMIT = 25

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
    by: str = "id",
    ascending: bool = False,
    list_name: str = "",
) -> tuple[list[Row], str | None]:
    """Return at most `limit` rows, newest first, and the cursor of the next page or None.

    `by` names a unique field that grows with time: a UUID of version 7, or a number. `ascending` begins with the lowest.
    A cursor is of the list that made it, by `list_name`, and opens no other.

    :raises ValidationError: if the cursor is not one that this function made, for this list
    """
    place = f"{list_name or rows.model.__name__}:{by}"
    if cursor is not None:
        beyond = f"{by}__gt" if ascending else f"{by}__lt"
        value = _decode(cursor, place, is_number=_is_number(rows, by))
        rows = rows.filter(**{beyond: value})
    found = list(rows.order_by(by if ascending else f"-{by}")[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], _encode(getattr(found[limit - 1], by), place)


def page_of(shape: type[serializers.BaseSerializer]) -> serializers.Serializer:
    """Return the serializer of a page of `shape`, for the OpenAPI document."""
    cursor = serializers.CharField(allow_null=True)
    return inline_serializer(
        f"{shape.__name__}Page", {"items": shape(many=True), "nextCursor": cursor}
    )


def _is_number(rows: QuerySet[Row], by: str) -> bool:
    field: Any = rows.model._meta.get_field(by)
    return isinstance(getattr(field, "target_field", field), IntegerField)


def _encode(value: Any, place: str) -> str:
    return base64.urlsafe_b64encode(f"{place}:{value}".encode()).decode().rstrip("=")


def _decode(cursor: str, place: str, *, is_number: bool) -> UUID | int:
    """Return the value in a cursor; whatever does not come back as it went in is not one."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded).decode("ascii").removeprefix(f"{place}:")
        value = int(text) if is_number else UUID(text)
    except (ValueError, binascii.Error) as error:
        raise serializers.ValidationError({"cursor": [_NOT_OURS]}) from error
    if _encode(value, place) != cursor or (
        isinstance(value, int) and not 0 <= value <= MAX_INTEGER
    ):
        raise serializers.ValidationError({"cursor": [_NOT_OURS]})
    return value
