"""How lists are paged and narrowed down: by where a page ends rather than by its number, and by filters that show."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Model, Q
from django.http import HttpRequest
from unfold.views import ChangeList

OLDER, NEWER = "older-than", "newer-than"
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
        super().__init__(request, *args, **kwargs)

    def get_filters_params(self, params: Any = None) -> Any:
        for cursor in (OLDER, NEWER):
            self.params.pop(cursor, None)
            self.filter_params.pop(cursor, None)
        return super().get_filters_params(params)

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
        found = list((rows.reverse() if is_back else rows)[: self.list_per_page + 1])
        has_more = len(found) > self.list_per_page
        found = found[: self.list_per_page]
        self._show(found[::-1] if is_back else found)
        if found and (has_more or is_back):
            self.older_url = self.get_query_string({OLDER: self.result_list[-1].pk})
        if found and (has_more if is_back else beyond is not None):
            self.newer_url = self.get_query_string({NEWER: self.result_list[0].pk})

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
