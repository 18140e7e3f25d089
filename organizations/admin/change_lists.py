"""How lists are paged and narrowed down: by where a page ends rather than by its number, and by filters that show."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import OperationalError, connection, transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from organizations.idempotency import sqlstate

OLDER, NEWER = "older-than", "newer-than"
LOOKED_AT = 20_000
"""How many rows a page looks at where no index finds what is asked for. The next page goes on from there."""
HURRY_MS = 150
"""How long an index is waited for before that."""
CANCELLED = "57014"
_ENDS = ("__exact", "__id", "_id")


class Chip(NamedTuple):
    """One thing that a list is narrowed down by: in words, and the list without it."""

    label: str
    value: str
    without: str


class ChipList(ChangeList):
    """A list that says what it is narrowed down by, whether one of its filters can say it or not."""

    def chips(self) -> list[Chip]:
        """Return what the list is narrowed down by, but for the search, whose field shows it."""
        shown = []
        for name, values in self.get_filters_params().items():
            said = [value for value in values if value]
            if said:
                rest = {**self.filter_params}
                del rest[name]
                shown.append(Chip(_label(name), self._in_words(name, said), _query(rest)))
        return shown

    def _in_words(self, name: str, values: list[str]) -> str:
        """Return what a filter asks for as its choices call it, or as the row that it names is called."""
        target = self._row(name, values[0])
        if target is not None:
            return str(target)
        for spec in self.filter_specs:
            choices = dict(getattr(spec, "lookup_choices", None) or ())
            if name in spec.expected_parameters() and values[0] in choices:
                return str(choices[values[0]])
        return ", ".join(value.replace("_", " ") for value in values)

    def _row(self, name: str, value: str) -> Model | None:
        path = _path(name)
        try:
            field = get_fields_from_path(self.model, path)[-1]
            related: Any = field.related_model
            return None if related is None else related._default_manager.filter(pk=value).first()
        except (FieldDoesNotExist, ValidationError, ValueError, AttributeError, TypeError):
            return None


class KeysetList(ChipList):
    """A list of a table that only grows: a page begins where another ended, so that the last costs what the first does."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.cursors = {name: request.GET.get(name, "") for name in (OLDER, NEWER)}
        self.older_url = self.newer_url = ""
        self.looked_until: Any = None
        """The row at which a page stopped looking before it was full."""
        super().__init__(request, *args, **kwargs)

    def get_filters_params(self, params: Any = None) -> Any:
        for cursor in (OLDER, NEWER):
            self.params.pop(cursor, None)
            self.filter_params.pop(cursor, None)
        return super().get_filters_params(params)

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return by what a column is ordered; nothing where that is by no index, whatever the address says."""
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more: nothing is counted, and nothing is passed over."""
        keys = self._keys(request)
        if keys is None:
            super().get_results(request)
            return
        is_back = bool(self.cursors[NEWER])
        beyond = self._beyond(keys, self.cursors[NEWER] or self.cursors[OLDER], is_back)
        rows = self.queryset if beyond is None else self.queryset.filter(beyond)
        is_back = is_back and beyond is not None
        found = self._found(rows.reverse() if is_back else rows, keys, beyond)
        has_more = len(found) > self.list_per_page or self.looked_until is not None
        found = found[: self.list_per_page]
        self._show(found[::-1] if is_back else found)
        self._lead_on(has_more, is_back, beyond is not None)

    def _lead_on(self, has_more: bool, is_back: bool, is_within: bool) -> None:
        """Say where the pages before and after this one begin."""
        rows = [row.pk for row in self.result_list]
        first, last = (rows[0], rows[-1]) if rows else (None, None)
        if is_back:
            first, last = self.looked_until or first, last or self.cursors[NEWER]
        else:
            first, last = first or self.cursors[OLDER], self.looked_until or last
        if last and (has_more or is_back):
            self.older_url = self.get_query_string({OLDER: last})
        if first and (has_more if is_back else is_within):
            self.newer_url = self.get_query_string({NEWER: first})

    def _found(
        self, rows: QuerySet[Any], keys: list[tuple[str, bool]], beyond: Q | None
    ) -> list[Model]:
        """Return the rows of a page and one more; of what no index finds in time, those among the next so many that are looked at."""
        wanted = self.list_per_page + 1
        is_by_id = keys[0][0] == self.lookup_opts.pk.name
        if not is_by_id or not (self.query or self.filter_params):
            return list(rows[:wanted])
        found = _in_a_hurry(rows[:wanted])
        if found is not None:
            return found
        is_falling = keys[0][1] == rows.query.standard_ordering
        every = self.model._default_manager.order_by("-pk" if is_falling else "pk")
        every = every if beyond is None else every.filter(beyond)
        edge = every.values_list("pk", flat=True)[LOOKED_AT : LOOKED_AT + 1].first()
        if edge is None:
            return list(rows[:wanted])
        near = rows.filter(**{f"pk__{'gte' if is_falling else 'lte'}": edge})
        found = _with("enable_sort", "off", near[:wanted])  # one after the other, and no others
        self.looked_until = edge if len(found) < wanted else None
        return found

    def _show(self, rows: list[Model]) -> None:
        paginator = self.model_admin.get_paginator(None, self.queryset, self.list_per_page)
        paginator.template_name = "admin/pages.html"
        self.paginator = paginator
        self.result_list: Any = rows
        self.result_count = len(rows)
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.full_result_count = None
        self.can_show_all = False
        self.multi_page = True
        self.page_num = 1

    def _keys(self, request: HttpRequest) -> list[tuple[str, bool]] | None:
        """Return the columns of the order, each with whether it falls; None where one may be empty, or is no column."""
        keys = []
        for each in self.get_ordering(request, self.root_queryset):
            name = each.lstrip("-") if isinstance(each, str) else ""
            name = self.lookup_opts.pk.name if name == "pk" else name
            try:
                field = self.lookup_opts.get_field(name)
            except FieldDoesNotExist:
                return None
            if field.is_relation or field.null:
                return None
            keys.append((name, each.startswith("-")))
        return keys

    def _beyond(self, keys: list[tuple[str, bool]], text: str, is_back: bool) -> Q | None:
        """Return what lies beyond a row in the order; None where there is no such row."""
        names = [name for name, _ in keys]
        try:
            row = self.model._default_manager.filter(pk=text).values(*names).first()
        except (ValidationError, ValueError, OverflowError):
            row = None
        if not text or row is None:
            return None
        beyond, same = Q(), Q()
        for name, falls in keys:
            look = "lt" if falls != is_back else "gt"
            beyond |= same & Q(**{f"{name}__{look}": row[name]})
            same &= Q(**{name: row[name]})
        first, falls = keys[0]
        edge = "lte" if falls != is_back else "gte"
        return Q(**{f"{first}__{edge}": row[first]}) & beyond


def sortable(rows: Any, columns: Sequence[Any]) -> list[Any]:
    """Return the columns of a list that are ordered by its primary key: no index of a table that only grows has another order for all of it."""
    names = [name for name in columns if isinstance(name, str)]
    orders = {name: getattr(getattr(rows, name, None), "admin_order_field", name) for name in names}
    return [name for name, order in orders.items() if order in ("pk", rows.opts.pk.name)]


def _in_a_hurry(rows: QuerySet[Any]) -> list[Any] | None:
    """Return rows; None if they are not found in time."""
    try:
        return _with("statement_timeout", f"{HURRY_MS}ms", rows)
    except OperationalError as error:
        if sqlstate(error) != CANCELLED:
            raise
        return None


def _with(setting: str, value: str, rows: QuerySet[Any]) -> list[Any]:
    """Return rows, read under another setting of the database."""
    change = "SELECT current_setting(%(setting)s), set_config(%(setting)s, %(value)s, true)"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change, {"setting": setting, "value": value})
        before, _ = cursor.fetchone()
        found = list(rows)
        cursor.execute(change, {"setting": setting, "value": before})
        return found


def _path(name: str) -> str:
    for end in _ENDS:
        name = name.removesuffix(end)
    return name


def _label(name: str) -> str:
    path, _, end = name.rpartition("_")
    if end in ("0", "1"):
        return path.replace("_", " ").replace(" from", ", from").replace(" to", ", until")
    return _path(name).replace("__", " ").replace("_", " ")


def _query(params: dict[str, Any]) -> str:
    return f"?{urlencode(sorted(params.items()), doseq=True)}"
