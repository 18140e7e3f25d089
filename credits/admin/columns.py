"""What the pages of money have in common: amounts in columns, and tables that are never counted."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.admin import ShowFacets, display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.paginator import InfinitePaginator

from credits.templatetags.amounts import cell, credits
from organizations import clock
from organizations.admin import Headed, PublicIdSearch, ViewOnlyAdmin, link, pill
from organizations.admin.cells import UNLIMITED
from organizations.admin.change_lists import KeysetList, sortable

MONTHS = 13


def amount(value: Decimal | None, *, movement: bool = False) -> SafeString | str:
    """Return an amount for a column of numbers. A movement shows its sign, and what is below zero and no movement is debt: it has a colour."""
    if value is None:
        return "–"
    return cell(value, tone=" amount-out" if value < 0 and not movement else "", sign=movement)


def capped(value: Decimal | None) -> SafeString | str:
    """Return a cap for a column of numbers."""
    return UNLIMITED if value is None else amount(value)


def limits_table(limits: Sequence[Mapping[str, Any]]) -> SafeString | str:
    """Return the limits of the moment of a decision as a table, the one that binds marked."""
    if not limits:
        return "–"
    rows = format_html_join(
        "",
        '<tr><td>{} {}</td><td class="num">{}</td><td class="num">{}</td><td class="num">{}</td>'
        '<td class="num">{}</td></tr>',
        (_limit_cells(limit) for limit in limits),
    )
    return format_html(
        '<div class="wide" role="region" aria-label="Limits" tabindex="0"><table class="rows limits"><thead><tr><th>Limit</th><th class="num">Cap</th>'
        '<th class="num">Used</th><th class="num">Reserved</th><th class="num">Left</th></tr>'
        "</thead><tbody>{}</tbody></table></div>",
        rows,
    )


def _limit_cells(limit: Mapping[str, Any]) -> tuple[Any, ...]:
    mark = pill("binds", "warn") if limit.get("binding") else ""
    figures = (limit.get(name) for name in ("cap", "used", "reserved", "remaining"))
    shown = ("none" if figure is None else credits(Decimal(figure)) for figure in figures)
    return (limit.get("scope"), mark, *shown)


class MonthFilter(DropdownFilter):
    """Calendar months, offered without looking at the rows: they only grow."""

    title = "month"
    parameter_name = "month"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        first = clock.now().date().replace(day=1)
        months = []
        for _ in range(MONTHS):
            months.append((first.isoformat(), f"{first:%B %Y}"))
            first = (first - timedelta(days=1)).replace(day=1)
        return months

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = dict(self.lookup_choices)
        return queryset.filter(month=self.value()) if self.value() in known else queryset


class MoneyAdmin(Headed, PublicIdSearch, ViewOnlyAdmin):
    """A table of money: newest first, and never counted, because it only grows."""

    ordering = ("-id",)
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = InfinitePaginator
    list_filter_submit = True
    list_select_related: ClassVar[Sequence[str]] = ("wallet__organization",)
    search_fields: Sequence[str] = ("wallet__organization__name",)
    search_by_names: ClassVar[Sequence[str]] = ("wallet__organization",)
    search_help_text = "Name of an organization, or an id as the API writes it"
    public_ids = {"org": "wallet__organization_id"}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetList]:
        return KeysetList

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return sortable(self, self.get_list_display(request))

    def heading(self, row: Any) -> str:
        return f"{row.wallet.organization}: {row}"

    @display(description="Organization")
    def organization(self, row: Any) -> SafeString:
        return link(row.wallet.organization)
