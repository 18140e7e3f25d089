"""The statements of a month: of one customer a click each, of all of them as one file that adds up, or with every movement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from credits import services
from credits.models import BillingPeriod, Wallet
from credits.services import Statement
from organizations import clock, sheet, words
from organizations.models import Env, Organization

DAY = timedelta(days=1)
MONTHS = 13
"""How many months are offered, this one among them."""
FOUND = 50
"""How many customers a search looks at."""


class Row(NamedTuple):
    """The statement of one customer, in a line."""

    period: BillingPeriod
    statement: Statement


class MonthEnd:
    """The pages of the statements of a month, beside the list of all billing periods."""

    def __init__(self, periods: ModelAdmin) -> None:
        self.periods = periods

    def urls(self) -> list[URLPattern]:
        def route(suffix: str, view: Any, name: str) -> URLPattern:
            guarded = self.periods.admin_site.admin_view(view)
            made: URLPattern = path(
                f"month/{suffix}", guarded, name=f"credits_billingperiod_{name}"
            )
            return made

        return [
            route("", self.page, "month"),
            route("lines.csv", self.lines, "month_lines"),
            route("movements.csv", self.movements, "month_movements"),
        ]

    def page(self, request: HttpRequest) -> HttpResponse:
        """Show the statements of a month, fifty customers at a time, or those that are searched for."""
        month = self._month(request)
        text = request.GET.get("q", "").replace("\0", "").strip()[:100]
        wallets = _wallets(text) if text else None
        found, after = services.periods_of_month(month, after=_id(request.GET), wallets=wallets)
        statements = services.statements_of(found)
        months = [(each, f"?month={each:%Y-%m}") for each in months_until(clock.now().date())]
        more = {"month": f"{month:%Y-%m}", "after": str(after), "q": text}
        context = {
            **self.periods.admin_site.each_context(request),
            "title": "Statements of a month",
            "opts": self.periods.opts,
            "month": month,
            "months": months,
            "text": text,
            "rows": [Row(period, statements[period.pk]) for period in found],
            "more": f"?{urlencode(more)}" if after is not None else "",
            "lines_url": reverse("admin:credits_billingperiod_month_lines")
            + f"?month={month:%Y-%m}",
            "movements_url": reverse("admin:credits_billingperiod_month_movements")
            + f"?month={month:%Y-%m}",
            "may_see_movements": request.user.has_perm("credits.view_ledgerentry"),
        }
        return TemplateResponse(request, "admin/credits/billingperiod/month.html", context)

    def lines(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send a line for the statement of each, and their sum."""
        month = self._month(request)
        return _file(f"statements-{month:%Y-%m}.csv", services.month_lines(month))

    def movements(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send every movement of the statements of a month."""
        month = self._month(request)
        if not request.user.has_perm("credits.view_ledgerentry"):
            raise PermissionDenied
        return _file(f"movements-{month:%Y-%m}.csv", services.month_entries(month))

    def _month(self, request: HttpRequest) -> date:
        if not self.periods.has_view_permission(request):
            raise PermissionDenied
        try:
            found = datetime.strptime(request.GET.get("month", ""), "%Y-%m").replace(tzinfo=UTC)
        except ValueError:
            return months_until(clock.now().date())[1]
        return min(max(found.date(), date(1900, 1, 1)), date(9000, 1, 1))


def months_until(today: date) -> list[date]:
    """Return this month and those before it, the newest first."""
    months = [today.replace(day=1)]
    while len(months) < MONTHS:
        months.append((months[-1] - DAY).replace(day=1))
    return months


def _file(name: str, rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(sheet.file(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _wallets(text: str) -> list[UUID]:
    """Return the wallets of the customers that a text names."""
    live = Organization.objects.filter(env=Env.LIVE)
    named = words.among(live, words.ORGANIZATION, text)
    ids = list(named.values_list("pk", flat=True)[:FOUND])
    return list(Wallet.objects.filter(organization__in=ids).values_list("id", flat=True))


def _id(said: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(said.get("after", ""))
    except ValueError:
        return None
