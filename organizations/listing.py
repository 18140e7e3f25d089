"""How a list is read: by an index from its newest row on, whatever it is asked for, and never further than a page may cost.

A filter that an index knows belongs to the rows. One of several values, each of which an index knows on its own, is `either`: so many rows
of each are read, and merged. What no index knows is `sifted`: a page looks at so many rows, and says where the next goes on although it
found little, or nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet


class Listing(NamedTuple):
    """Rows, in which order, and which of them."""

    rows: QuerySet[Any]
    by: tuple[str, ...] = ("id",)
    """The columns of the order. Together they are unique, and an index has them after what the rows are filtered by."""
    either: Sequence[Q] = ()
    sifted: Q | None = None
