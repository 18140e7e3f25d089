"""How the console finds rows by words: all of them, each from its beginning, by an index over just the fields that are searched."""

import re
from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import QuerySet

CONFIG = "simple"
"""No word is left out or cut: names are in any language."""
ORGANIZATION = ("name", "billing_email", "external_id")
ACTOR = ("name", "email", "external_id")
GROUP = ("name", "key")
ENTRY = ("reason",)
_WORDS = re.compile(r"[\w@.+-]+")


def index(name: str, fields: Sequence[str], **options: Any) -> GinIndex:
    """Return the index by which `among` finds rows of a table."""
    return GinIndex(SearchVector(*fields, config=CONFIG), name=name, **options)


def among(rows: QuerySet[Any], fields: Sequence[str], text: str) -> QuerySet[Any]:
    """Return those of these rows in whose fields all words of a text are.

    :param fields: just those of the table's index
    """
    words = _WORDS.findall(text)
    if not words:
        return rows.none()
    wanted = " & ".join(f"'{word}':*" for word in words)
    query = SearchQuery(wanted, config=CONFIG, search_type="raw")
    found: QuerySet[Any] = rows.annotate(words=SearchVector(*fields, config=CONFIG))
    return found.filter(words=query)
