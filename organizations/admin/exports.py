"""Lists as files: the rows that the filters of a list leave, each whole, as a spreadsheet opens them."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import BinaryField, Field, Model, QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property

from organizations import clock, sheet
from organizations.admin.change_lists import ChipList
from organizations.admin.saved_views import SavedViews

MOST_COUNTED = 100_000
"""How many rows of a list are counted, and paged through: whoever looks for more narrows it down."""
BATCH = 1_000
"""How many rows of an export are in memory at a time."""

Column = Callable[[Any], object]


class BoundedPaginator(Paginator):
    """Pages of a list that is counted, and of no more of it than is counted."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, or the most that are counted."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class ExportedAdmin(SavedViews):
    """A list that is also a file, and that says above it what it is narrowed down by."""

    exported: ClassVar[bool] = True
    not_in_file: ClassVar[Collection[str]] = ()
    """The fields that stay out of the file."""
    public_ids: ClassVar[Mapping[str, str]] = {}
    """Which column each prefix of an id names: `{"rsv": "id", "org": "wallet__organization_id"}`."""

    list_before_template = "admin/chips.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    # The theme asks for it in each row, and finds out each time that there are none.
    list_sections: ClassVar[Collection[Any]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChipList]:
        return ChipList

    @property
    def owner_path(self) -> str:
        """The path to the organization that a row belongs to; empty where it is one itself, or belongs to none."""
        column = self.public_ids.get("org", "")
        return column.removesuffix("_id") if column != "id" else ""

    def more_in_file(self) -> Mapping[str, Column]:
        """Return columns of the file that are no fields, before those that are."""
        owner = self.owner_path
        return {"organization": lambda row: _name(row, owner)} if owner else {}

    def get_urls(self) -> list[URLPattern]:
        if not self.exported:
            return list(super().get_urls())
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name=self._export_name), *super().get_urls()]

    @property
    def _export_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export"

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Send the rows a batch at a time: there may be millions."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(f"admin:{self._export_name.removesuffix('export')}changelist")
        return self.file_of(rows)

    def file_of(self, rows: QuerySet[Any]) -> StreamingHttpResponse:
        """Return rows as a file."""
        fields = [
            field
            for field in self.model._meta.concrete_fields
            if not isinstance(field, BinaryField) and field.name not in self.not_in_file
        ]
        table = _table(rows, self.more_in_file(), fields)
        answer = StreamingHttpResponse(sheet.file(table), content_type="text/csv; charset=utf-8")
        name = f"{self.opts.model_name}-{clock.now():%Y-%m-%d}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        if self.exported:
            url = reverse(f"admin:{self._export_name}")
            changes.export_url = f"{url}{changes.get_query_string()}"
        return changes


def _table(
    rows: QuerySet[Any], more: Mapping[str, Column], fields: list[Field]
) -> Iterator[list[object]]:
    """Yield the names of the columns, and then the rows, a batch of them at a time."""
    yield [*more, *(field.attname for field in fields)]
    rows = rows.order_by("-pk")
    last = None
    while last != "":
        batch = list((rows if last is None else rows.filter(pk__lt=last))[:BATCH])
        for row in batch:
            own = (_plain(field.value_from_object(row)) for field in fields)
            yield [*(column(row) for column in more.values()), *own]
        last = batch[-1].pk if len(batch) == BATCH else ""


def _name(row: Model, owner: str) -> str:
    """Return what the organization of a row is called; nothing where it is nobody's."""
    found: Any = row
    for step in owner.split("__"):
        found = getattr(found, step, None)
    return found.name if found is not None else ""


def _plain(value: object) -> object:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else value
