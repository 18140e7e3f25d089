"""The page of an action on many: what it would do to each, how far it is, and what came of each."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from organizations import bulk, clock, sheet
from organizations.admin import many as carrying_out
from organizations.admin import pill
from organizations.admin.actions import may_use, sentence
from organizations.admin.approvals import Approval, ApprovalAdmin, state_of
from organizations.admin.many import Many, asked
from organizations.admin.selection import count_of
from organizations.bulk import Totals
from organizations.models import BulkAction, BulkItem, Proposed
from organizations.proposals import NotDecidable
from usage.admin.bulk_approvals import BulkApproval, do_some
from usage.admin.many import BY_SLUG

ROWS = 50
State = BulkAction.State
OUTCOMES = {"done": "good", "skipped": "quiet", "failed": "bad"}
SHOWN: dict[str, tuple[str, Q]] = {
    "": ("All", Q()),
    "refused": ("Would be refused", ~Q(refusal="")),
    "unblocked": ("Unblocked", Q(effect=BulkItem.Effect.UNBLOCKS)),
    "blocked": ("Blocked then", Q(effect=BulkItem.Effect.BLOCKS)),
    "failed": ("Failed", Q(outcome=BulkItem.Outcome.FAILED)),
    "skipped": ("Skipped", Q(outcome=BulkItem.Outcome.SKIPPED)),
}
"""Which rows the table shows, by the word in its address."""


class Cell(NamedTuple):
    """A figure of somebody, before and after."""

    before: str
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after


class Row(NamedTuple):
    """Somebody on the page."""

    item: BulkItem
    cells: list[Cell | None]
    outcome: SafeString | str

    @property
    def note(self) -> str:
        """What there is to say of it: what came of it, or why it would be refused."""
        return self.item.said or (self.item.refusal if not self.item.finished_at else "")


@admin.register(BulkAction)
class BulkActionAdmin(ApprovalAdmin):
    """Actions on many at once, newest first."""

    approval = BulkApproval
    nothing = "Nothing was done to many at once yet."
    states = tuple(Proposed.State)
    list_display = (
        *("proposed", "verb", "whom", "state_shown"),
        *("proposed_by", "decided_by", "reason"),
    )
    search_fields = ("proposed_by", "reason")
    search_help_text = "Who asked, or a word of the reason"
    not_in_file = ("payload", "selection", "digest")
    page = "admin/organizations/bulkaction/page.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<uuid:id>/csv/", view(self.download), name="organizations_bulkaction_csv"),
            path("<uuid:id>/confirm/", view(self.confirm), name="organizations_bulkaction_confirm"),
            path("<uuid:id>/look/", view(self.look_again), name="organizations_bulkaction_look"),
            path("<uuid:id>/go-on/", view(self.go_on), name="organizations_bulkaction_go-on"),
        ]
        return [*own, *super().get_urls()]

    def may_see(self, request: HttpRequest, row: BulkAction) -> bool:
        """Whether somebody may see actions on many, and whom this one is for."""
        rights = ["organizations.view_organization", "credits.view_wallet"]
        rights += ["organizations.view_actor"] if BY_SLUG[row.action].of_people else []
        return super().may_see(request, row) and request.user.has_perms(rights)

    def context_of(self, request: HttpRequest, approval: Approval[Any]) -> dict[str, Any]:
        assert isinstance(approval, BulkApproval)
        return super().context_of(request, approval) | _page(request, approval)

    def confirm(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Have it done, by who asked for it; then do as many as there is time for."""
        row = get_object_or_404(BulkAction, id=id)
        each = BY_SLUG[row.action]
        if not may_use(request, each.action):
            raise PermissionDenied
        if request.method == "POST":
            limit = each.action.alone_up_to(request.user)
            by = request.user.get_username()
            try:
                row = bulk.confirm(id=id, by=by, limit=limit, now=clock.now())
                self._say(request, row)
            except NotDecidable as refusal:
                messages.error(request, sentence(refusal))
        return redirect("admin:organizations_bulkaction_change", id)

    def look_again(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Have it looked at anew what it would do to each: for who decides it, long after it was asked."""
        approval = BulkApproval(get_object_or_404(BulkAction, id=id), clock.now())
        if not approval.may_decide(request.user):
            raise PermissionDenied
        if request.method == "POST":
            try:
                row = bulk.look_again(id=id, now=approval.now)
                carrying_out.look_at_some(asked(row, approval.many, now=approval.now))
            except NotDecidable as refusal:
                messages.error(request, sentence(refusal))
        return redirect(approval.url)

    def go_on(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Look at, or do, as many more as there is time for, and say how far it is: a page asks so until it is through, as long as it is open."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(BulkAction, id=id)
        if not self.may_see(request, row):
            raise PermissionDenied
        carrying_out.go_on(asked(row, BY_SLUG[row.action], now=clock.now()))
        far = _progress(row, bulk.totals_of(row))
        return JsonResponse({"done": far["done"], "percent": far["good"], "left": far["left"]})

    def _say(self, request: HttpRequest, row: BulkAction) -> None:
        if row.state == State.WAITING:
            messages.warning(
                request,
                "Proposed. Nothing is done: so much together is not for one person alone, so another has to approve it.",
            )
            return
        messages.success(request, do_some(asked(row, BY_SLUG[row.action], now=clock.now())))

    def download(self, request: HttpRequest, id: UUID) -> StreamingHttpResponse:
        """Each of them with what it would do, and what came of it, as CSV."""
        row = get_object_or_404(BulkAction, id=id)
        if not self.may_see(request, row):
            raise PermissionDenied
        rows = sheet.file(_table(row, BY_SLUG[row.action]))
        answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
        name = f"{row.action}-{row.proposed_at:%Y-%m-%d}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    @display(description="What")
    def verb(self, row: BulkAction) -> str:
        return BY_SLUG[row.action].verb

    @display(description="For", ordering="total")
    def whom(self, row: BulkAction) -> str:
        return count_of(BY_SLUG[row.action], row)


def _page(request: HttpRequest, approval: BulkApproval) -> dict[str, Any]:
    row, of, totals = approval.proposal, approval.of, approval.totals
    action, many = of.many.action, of.many
    is_draft, is_rehearsed = row.state == State.DRAFT, totals.rehearsed == totals.total
    limit = action.alone_up_to(of.author) if of.author else None
    is_waiting = row.state == State.WAITING
    return {
        "many": many,
        "action": action,
        "state": state_of(row),
        "totals": totals,
        "progress": _progress(row, totals),
        "is_rehearsed": is_rehearsed,
        "is_busy": (approval.is_open and not is_rehearsed)
        or (bool(totals.to_do) and totals.finished < totals.total),
        "may_confirm": approval.is_open
        and is_draft
        and approval.is_of(request.user)
        and may_use(request, action),
        "needs_another": is_waiting
        or bulk.needs_another(row, totals, limit=limit, now=approval.now),
        "edit_url": row.selection,
        "payload": [(field, value) for field, sent in row.payload.items() for value in sent],
        "csv": reverse("admin:organizations_bulkaction_csv", args=[row.pk]),
        **_table_of(request, row, many, totals),
    }


def _table_of(request: HttpRequest, row: BulkAction, many: Many, totals: Totals) -> dict[str, Any]:
    """Return the rows that are asked for, a page of them, and what else can be asked for."""
    shown = request.GET.get("show", "")
    items = bulk.items_of(row).filter(SHOWN.get(shown, SHOWN[""])[1])
    rows = Paginator(items.select_related("organization", "actor"), ROWS)
    page = rows.get_page(request.GET.get("p"))
    counts = [(key, title, _counted(totals, key)) for key, (title, _) in SHOWN.items()]
    return {
        "columns": many.columns,
        "rows": [_row(item, many) for item in page],
        "page": page,
        "shown_rows": shown,
        "views": [view for view in counts if view[2]],
    }


def _counted(totals: Totals, key: str) -> int:
    counts = {"": totals.total, "refused": totals.refused, "unblocked": totals.unblocked}
    counts |= {"blocked": totals.blocked, "failed": totals.failed, "skipped": totals.skipped}
    return counts[key]


def _progress(row: BulkAction, totals: Totals) -> dict[str, Any]:
    is_doing = row.state in (State.CONFIRMED, State.APPROVED)
    done = totals.finished if is_doing else totals.rehearsed
    return {
        "word": "Done" if is_doing else "Looked at",
        "done": done,
        "left": totals.total - done,
        "good": f"{(done - totals.failed if is_doing else done) * 100 / totals.total:.1f}",
        "bad": f"{totals.failed * 100 / totals.total:.1f}",
    }


def _row(item: BulkItem, each: Many) -> Row:
    cells = [Cell(*item.figures[name]) if name in item.figures else None for name in each.columns]
    outcome: SafeString | str = ""
    if item.outcome:
        outcome = pill(item.get_outcome_display().lower(), OUTCOMES[item.outcome])
    elif item.refusal:
        outcome = pill("would be refused", "bad")
    elif item.effect:
        is_good = item.effect == BulkItem.Effect.UNBLOCKS
        outcome = pill("unblocked" if is_good else "blocked then", "good" if is_good else "warn")
    return Row(item, cells, outcome)


def _table(row: BulkAction, each: Many) -> Iterator[list[object]]:
    figures = [f"{name}, {side}" for name in each.columns for side in ("before", "after")]
    yield [
        "organization",
        "organizationId",
        "person",
        "personId",
        *figures,
        "effect",
        "wouldBeRefused",
        "outcome",
        "said",
    ]
    items: QuerySet[BulkItem] = bulk.items_of(row).select_related("organization", "actor")
    for item in items.iterator(500):
        actor = item.actor
        own = [side for name in each.columns for side in item.figures.get(name, ["", ""])]
        named = [actor.name, actor.public_id] if actor else ["", ""]
        whose = [item.organization.name, item.organization.public_id]
        yield [*whose, *named, *own, item.effect, item.refusal, item.outcome, item.said]
