"""What-if as staff see it: a form that asks what a month would have come to by other rules, and the page with its answer."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credits.models import ZERO
from credits.templatetags.amounts import credits
from organizations import clock, sheet
from organizations.admin import ExportedAdmin, pill
from organizations.admin.cells import moment
from organizations.models import UsageProfile
from usage import what_if
from usage.admin.what_if_form import WhatIfForm
from usage.models import WhatIf, WhatIfLine, WhatIfPart
from usage.services.what_if import ask
from usage.what_if import EVERYBODY, Changes

ROWS = 50
"""How many organizations, and how many people, the page shows: those for whom most would differ. The file has all."""
HEAD = (
    *("organization", "organizationId", "person", "personId", "outcome", "refusedBy", "pieces"),
    *("creditsBefore", "creditsAfter", "first", "last"),
)


@admin.register(WhatIf)
class WhatIfAdmin(ExportedAdmin):
    """Questions that staff asked, and their answers. Nothing that is asked changes anything."""

    form = WhatIfForm
    nothing = "Nobody asked yet what other rules would have come to."
    list_display = ("asked", "month_shown", "whose", "tried", "state", "asked_by")
    ordering = ("-id",)
    list_per_page = 50
    actions = None
    change_form_outer_before_template = "admin/usage/whatif/answer.html"
    fieldsets: ClassVar[Any] = (
        ("Whose month", {"fields": (("month", "organization"),)}),
        (
            "By which rules",
            {
                "fields": (
                    ("monthly_cap", "overdraft_limit"),
                    ("downgrade", "shutoff"),
                    ("everybody", "profile"),
                    ("limit_of", "limit"),
                )
            },
        ),
        ("At which prices", {"fields": (("prices_of", "multiplier"),)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: WhatIf | None = None) -> Any:
        return self.fieldsets if obj is None else ()

    def has_change_permission(self, request: HttpRequest, obj: WhatIf | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: WhatIf | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        file = self.admin_site.admin_view(self.download)
        own = path("<uuid:id>/csv/", file, name="usage_whatif_csv")
        return [own, *super().get_urls()]

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> WhatIf:
        """Ask: the service writes the row, and a worker its answer."""
        data = form.cleaned_data
        return ask(
            changes=form.changes,
            month=data["month"],
            organization=data["organization"],
            asked_by=request.user.get_username(),
            now=clock.now(),
        )

    def save_model(self, request: HttpRequest, obj: WhatIf, form: Any, change: bool) -> None:
        """Leave it: it is written."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Leave them: there are none."""

    def response_add(
        self, request: HttpRequest, obj: WhatIf, post_url_continue: str | None = None
    ) -> HttpResponse:
        self.message_user(request, "Asked. The answer stands here as soon as a worker has it.")
        return redirect("admin:usage_whatif_change", obj.pk)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        known = {*what_if.RULES, "month", "organization", "limit_of", "limit", "prices_of"}
        return {name: value for name, value in request.GET.items() if name in known}

    def get_queryset(self, request: HttpRequest) -> QuerySet[WhatIf]:
        rows: QuerySet[WhatIf] = super().get_queryset(request)
        left = Count("parts", filter=Q(parts__finished_at=None))
        name = Min("parts__organization__name")
        return rows.annotate(organizations=Count("parts"), left=left, named=name)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        asked = context.get("original")
        if asked is not None:
            context |= {"answer": answer_of(asked), "show_history": False}
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    def download(self, request: HttpRequest, id: Any) -> StreamingHttpResponse:
        """Every line of an answer, as CSV."""
        asked = self.get_object(request, str(id))
        if asked is None or not self.has_view_permission(request, asked):
            raise Http404
        rows = sheet.file(_rows(asked))
        answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="what-if-{asked.month:%Y-%m}.csv"'
        return answer

    @display(description="Asked", ordering="id")
    def asked(self, row: WhatIf) -> SafeString | str:
        return moment(row.created_at)

    @display(description="Month", ordering="month")
    def month_shown(self, row: WhatIf) -> str:
        return f"{row.month:%B %Y}"

    @display(description="Whose")
    def whose(self, row: Any) -> str:
        if row.organizations != 1:
            return f"{row.organizations:,} organizations"
        return str(row.named)

    @display(description="By which rules")
    def tried(self, row: WhatIf) -> str:
        return words(what_if.changes_of(row.changes))

    @display(description="State")
    def state(self, row: Any) -> SafeString:
        done = row.organizations - row.left
        if row.left:
            return pill(f"{done:,} of {row.organizations:,}", "info")
        return pill("answered", "good")


def words(changes: Changes) -> str:
    """Say which rules are tried."""
    said = [f"{what_if.RULES[name]} {_figure(value)}" for name, value in changes.rules.items()]
    for key, cap in changes.limits.items():
        whose = "everybody" if key == EVERYBODY else key
        said.append(f"limit of {whose} {_figure(cap)}")
    if changes.profile is not None:
        profile = UsageProfile.objects.filter(id=changes.profile).first()
        said.append(f"profile {profile.name if profile else 'that is gone'} for everybody")
    if changes.prices_of is not None:
        said.append(f"prices of {changes.prices_of:%Y-%m-%d}")
    if changes.card is not None:
        said.append(
            f"prices of {changes.card.model} tried as from {changes.card.starts_at:%Y-%m-%d}"
        )
    if changes.multiplier is not None:
        said.append(f"prices × {changes.multiplier.normalize():f}")
    return ", ".join(said) or "as they are"


def _figure(value: Decimal | None) -> str:
    return "none" if value is None else credits(value)


def answer_of(asked: Any) -> dict[str, Any]:
    """Return what the page of a question says: how far it is, a sentence, and for whom most would differ."""
    lines = WhatIfLine.objects.filter(part__what_if=asked)
    sums = asked.parts.aggregate(before=Sum("credits_before"), after=Sum("credits_after"))
    before, after = sums["before"] or ZERO, sums["after"] or ZERO
    kinds = lines.order_by().values_list("outcome").annotate(pieces=Sum("pieces"))
    counts = dict.fromkeys(WhatIfLine.Outcome.values, 0) | dict(kinds)
    differing = lines.exclude(outcome=WhatIfLine.Outcome.KEPT)
    people = differing.select_related("actor", "part__organization").order_by("-pieces", "id")
    parts = asked.parts.select_related("organization")
    return {
        "tried": words(what_if.changes_of(asked.changes)),
        "is_done": not asked.left,
        "done": asked.organizations - asked.left,
        "sentence": _sentence(asked, before, after, counts),
        "before": before,
        "after": after,
        "difference": after - before,
        "counts": counts,
        "people": list(people[:ROWS]),
        "parts": [_Part(part) for part in parts.order_by("-credits_before", "id")[:ROWS]],
        "csv": reverse("admin:usage_whatif_csv", args=[asked.pk]),
    }


class _Part:
    """An organization on the page of an answer."""

    def __init__(self, part: WhatIfPart) -> None:
        self.organization, self.is_done = part.organization, part.finished_at is not None
        self.before, self.after = part.credits_before, part.credits_after
        self.difference = part.credits_after - part.credits_before


def _sentence(asked: Any, before: Decimal, after: Decimal, counts: dict[str, int]) -> SafeString:
    """Say in words what would have been."""
    said = [
        f"{counts[name]:,} {verb}"
        for name, verb in (
            ("refused", "refused that were done"),
            ("downgraded", "moved to the fallback"),
            ("spared", "not moved to the fallback"),
            ("admitted", "done that were refused"),
        )
        if counts[name]
    ]
    work = ", ".join(said) or "none would have been refused or moved"
    return format_html(
        "{} would have come to <b>{}</b> credits and not {}. Of its pieces of work: {}.",
        f"{asked.month:%B %Y}",
        credits(after),
        credits(before),
        work,
    )


def _rows(asked: WhatIf) -> Iterator[tuple[object, ...]]:
    yield HEAD
    lines = WhatIfLine.objects.filter(part__what_if=asked)
    related = lines.select_related("actor", "part__organization").order_by("part_id", "id")
    for line in related.iterator():
        whose, actor = line.part.organization, line.actor
        named = (actor.name, actor.public_id) if actor else ("", "")
        yield (
            *(whose.name, whose.public_id, *named, line.outcome, line.refused_by, line.pieces),
            *(line.credits_before, line.credits_after, line.first_at, line.last_at),
        )
