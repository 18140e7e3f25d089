"""Buttons in the rows of a list: what is done most with one of them, without opening it first."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin import display
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from organizations.admin.actions import Action
from organizations.admin.exports import ExportedAdmin


class RowButton(NamedTuple):
    """An action on a row: of which organization, and with what filled in. A page is cleared of those that its reader may not follow."""

    action: Action
    organization_id: UUID
    filled_in: dict[str, Any]
    title: str = ""

    @property
    def url(self) -> str:
        url = reverse(
            f"admin:organizations_organization_{self.action.slug}", args=[self.organization_id]
        )
        return f"{url}?{urlencode(self.filled_in)}" if self.filled_in else url


class WithRowButtons(ExportedAdmin):
    """A list whose rows have buttons."""

    def buttons_of(self, row: Any) -> Iterable[RowButton]:
        """Return the buttons of a row, from what the list has read of it."""
        raise NotImplementedError

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        return [*super().get_list_display(request), "row_buttons"]

    @display(description="Actions")
    def row_buttons(self, row: Any) -> SafeString:
        buttons = (
            (
                button.url,
                name := button.title or button.action.title,
                f"{name}: {row}",
                button.action.icon,
            )
            for button in self.buttons_of(row)
        )
        found = format_html_join(
            "",
            '<a class="row-act" href="{}" title="{}…" aria-label="{}">'
            '<span class="material-symbols-outlined" aria-hidden="true">{}</span></a>',
            buttons,
        )
        return format_html('<span class="row-acts">{}</span>', found)
