"""The history of a row, as staff read it: when, who, and what it was before and after. Nothing is put back from there."""

from datetime import datetime
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.admin import ModelAdmin


class Change(HistoricalRecordContextHelper):
    """A change as the history tells it: a word where there was nothing."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if value is None or value in ("", [], {}):
            return "none"
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M} UTC"
        if isinstance(value, list):
            return ", ".join(str(part) for part in value)
        if isinstance(value, dict):
            return ", ".join(f"{name}: {text}" for name, text in sorted(value.items()))
        return value


class HistoryAdmin(SimpleHistoryAdmin, ModelAdmin):
    """Rows whose changes are kept, with who made them."""

    object_history_list_template = "admin/history_list.html"

    def revert_disabled(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def history_form_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "GET":
            raise PermissionDenied
        return super().history_form_view(request, *args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is no field of the form: all of a row that nobody edits, of an old version of it too."""
        is_said = bool(self.fieldsets or self.fields)
        if is_said and obj is not None and not self.has_change_permission(request, obj):
            return flatten_fieldsets(self.get_fieldsets(request, obj))
        return super().get_readonly_fields(request, obj)

    def get_historical_record_context_helper(
        self, request: HttpRequest, historical_record: Any
    ) -> Change:
        return Change(self.model, historical_record)
