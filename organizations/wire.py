"""How values are written as JSON: exact numbers, UTF-8, never through a float. Pure: no Django."""

from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import simplejson


def plain(amount: Decimal) -> int | Decimal:
    """Return the amount as it is shown: an integer when whole, else without trailing zeros."""
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()


def dumps(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return `value` as JSON. Decimals become numbers, digit by digit; floats are not refused,
    but nothing here makes one.

    :raises TypeError: if something has no form of its own: a datetime is written by its field
    :raises ValueError: if a float is not finite
    """
    return _encoder(sort_keys).encode(value).encode()


@cache
def _encoder(sort_keys: bool) -> simplejson.JSONEncoder:
    """Return what writes JSON: making one takes longer than most answers.

    It asks of no amount whether it is a named tuple, or is within itself, which took longer than writing it.
    """
    return simplejson.JSONEncoder(
        sort_keys=sort_keys,
        ensure_ascii=False,
        separators=(",", ":"),
        use_decimal=False,
        allow_nan=False,
        namedtuple_as_object=False,
        check_circular=False,
        default=_write,
    )


def _write(value: Any) -> Any:
    if isinstance(value, Decimal):
        # As `plain` does, which would be one call more for each amount.
        whole = value == value.to_integral_value()
        return int(value) if whole else simplejson.RawJSON(format(value.normalize(), "f"))
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
