"""Who used most in a month, and on which model: people, or organizations, the largest first, and all of them as a file."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from credits.admin.month_end import months_until
from credits.models import ZERO
from organizations import clock, sheet
from organizations.admin import ViewOnlyAdmin
from usage.admin.charts import MOST as COLOURS
from usage.models import MonthlyUse
from usage.services import most
from usage.services.most import Used

ROWS = 100
"""How many the page lists; the file has all of them."""
DAY = timedelta(days=1)
Of = MonthlyUse.Of
WHO: Mapping[str, Of] = {"people": Of.PERSON, "organizations": Of.ORGANIZATION}
ORDERS: Mapping[str, most.By] = {"credits": "credits", "work": "events"}
COLUMNS = {
    Of.PERSON: (
        "organization",
        "organizationId",
        "person",
        "personId",
        "model",
        "credits",
        "pieces",
    ),
    Of.ORGANIZATION: ("organization", "organizationId", "model", "credits", "pieces"),
}


class Asked(NamedTuple):
    """What the address asks for; whatever it does not say rightly is as usual."""

    who: str
    month: date
    model: str
    order: str

    def url(self, **changes: str) -> str:
        """Return the address of the same with something else."""
        said = {"who": self.who, "month": f"{self.month:%Y-%m}", "model": self.model}
        said |= {"order": self.order} | changes
        return "?" + urlencode({name: value for name, value in said.items() if value})


class Part(NamedTuple):
    """A model's part of a bar."""

    model: str
    colour: str
    width: str
    credits: Decimal


class Row(NamedTuple):
    """One of those that used most, as the page shows it."""

    used: Used
    parts: Sequence[Part]
    mostly: str
    """On which model most, and how much of it."""
    change: Decimal
    """By how much more, or less, than in the month before."""


@admin.register(MonthlyUse)
class MostAdmin(ViewOnlyAdmin):
    """The report is the list: who used most in a month."""

    exported = False  # the report is a file of its own

    def get_urls(self) -> list[URLPattern]:
        file = self.admin_site.admin_view(self.download)
        return [path("csv/", file, name="usage_monthlyuse_csv"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = clock.now().date()
        asked = asked_for(request.GET, today=today)
        rows = rows_of(asked)
        context = {
            **self.admin_site.each_context(request),
            "title": "Who used most",
            "opts": self.opts,
            "asked": asked,
            "rows": rows,
            "is_all": len(rows) < ROWS,
            "chips": _chips(asked, rows, today=today),
            "csv": reverse("admin:usage_monthlyuse_csv") + asked.url(),
        }
        return TemplateResponse(request, "admin/usage/monthlyuse/report.html", context)

    def download(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send all that everybody used on each model in a month, a few organizations at a time."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = asked_for(request.GET, today=clock.now().date())
        lines = sheet.file(_lines(asked))
        answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        name = f"{asked.who}-by-model-{asked.month:%Y-%m}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def asked_for(said: Mapping[str, str], *, today: date) -> Asked:
    """Return what is asked for: of the month before, unless another is named."""
    who, order = said.get("who", ""), said.get("order", "")
    try:
        month = datetime.strptime(said.get("month", ""), "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        month = months_until(today)[1]
    return Asked(
        who=who if who in WHO else next(iter(WHO)),
        month=month,
        model=said.get("model", "").replace("\0", "")[:80],
        order=order if order in ORDERS else next(iter(ORDERS)),
    )


def rows_of(asked: Asked, *, count: int = ROWS) -> list[Row]:
    """Return those that used most. What has no month before it is compared with none."""
    before = asked.month if asked.month.year == 1 else (asked.month - DAY).replace(day=1)
    found = most.most(
        WHO[asked.who],
        month=asked.month,
        before=before,
        model=asked.model or None,
        by=ORDERS[asked.order],
        count=count,
    )
    colours = colours_of(found)
    return [_row(used, colours) for used in found]


def colours_of(found: Sequence[Used]) -> dict[str, str]:
    """Return the colours of the models that most was used on; the others share one."""
    totals: dict[str, Decimal] = {}
    for used in found:
        for share in used.shares:
            name = share.model or "No model"
            totals[name] = totals.get(name, ZERO) + share.credits
    largest = sorted(totals, key=lambda name: (-totals[name], name))
    return {name: f"c-{n + 1}" if n < COLOURS else "c-rest" for n, name in enumerate(largest)}


def _row(used: Used, colours: Mapping[str, str]) -> Row:
    counted = [share for share in used.shares if share.credits > 0]
    total = sum((share.credits for share in counted), ZERO)
    parts = [
        Part(
            model=share.model or "No model",
            colour=colours[share.model or "No model"],
            width=f"{float(share.credits / total * 100):.2f}",
            credits=share.credits,
        )
        for share in counted
    ]
    mostly = ""
    if parts:
        percent = counted[0].credits * 100 / total
        mostly = f"{parts[0].model} {percent:.0f} %" if len(parts) > 1 else parts[0].model
    return Row(used, parts, mostly, used.credits - used.before)


def _chips(asked: Asked, rows: Sequence[Row], *, today: date) -> dict[str, Any]:
    """Return what else may be looked at, as addresses. The models are those that were used here, the largest first."""
    colours = colours_of([row.used for row in rows])
    names = [name for name in colours if name != "No model"]
    if asked.model and asked.model not in names:
        names.insert(0, asked.model)
    return {
        "who": [(name, asked.url(who=name), name == asked.who) for name in WHO],
        "all": asked.url(model=""),
        "models": [
            (name, asked.url(model=name), name == asked.model, colours.get(name, "c-rest"))
            for name in names[: COLOURS + 2]
        ],
        "months": [(month, asked.url(month=f"{month:%Y-%m}")) for month in months_until(today)],
        "by_credits": asked.url(order="credits"),
        "by_work": asked.url(order="work"),
    }


def _lines(asked: Asked) -> Iterator[Sequence[object]]:
    of = WHO[asked.who]
    yield COLUMNS[of]
    for used in most.every(of, month=asked.month):
        whose = (used.organization.name, used.organization.public_id)
        person: tuple[str, ...] = ()
        if of == Of.PERSON:
            person = (used.actor.name, used.actor.public_id) if used.actor else ("", "")
        yield (*whose, *person, used.shares[0].model or "", used.credits, used.events)
