"""The page of an action on many: what it would do to each, how far it is, and what came of each."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from organizations import bulk, clock, sheet
from organizations.admin import ViewOnlyAdmin, pill
from organizations.admin import many as carrying_out
from organizations.admin.actions import may_use, sentence
from organizations.admin.approvals import asked_in_words
from organizations.admin.cells import moment
from organizations.admin.many import Asked, Many, asked
from organizations.admin.selection import count_of
from organizations.bulk import Totals
from organizations.models import BulkAction, BulkItem
from organizations.proposals import NotDecidable
from usage.admin.many import BY_SLUG

ROWS = 50
State = BulkAction.State
TONES = {"draft": "quiet", "waiting": "info", "confirmed": "good", "refused": "quiet"}
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
class BulkActionAdmin(ViewOnlyAdmin):
    """Actions on many at once, newest first."""

    list_display = ("asked", "what", "whom", "state_shown", "asked_by", "decided_by", "reason")
    list_filter = ("state",)
    ordering = ("-id",)
    search_fields = ("asked_by", "reason")
    search_help_text = "Who asked, or a word of the reason"
    not_in_file = ("payload", "selection", "digest")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<uuid:id>/csv/", view(self.download), name="organizations_bulkaction_csv"),
            path("<uuid:id>/confirm/", view(self.confirm), name="organizations_bulkaction_confirm"),
            path("<uuid:id>/decide/", view(self.decide), name="organizations_bulkaction_decide"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if request.method != "GET" or not self._may_see(request, row):
            raise PermissionDenied
        of = asked(row, BY_SLUG[row.action], now=clock.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            **_page(request, of),
        }
        return TemplateResponse(request, "admin/organizations/bulkaction/page.html", context)

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

    def decide(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Approve what another asked for, or give it up."""
        row = get_object_or_404(BulkAction, id=id)
        each, by = BY_SLUG[row.action], request.user.get_username()
        is_own = row.asked_by == by
        approves = request.POST.get("decision") == "approve"
        if not (each.action.may_approve(request.user) or (is_own and not approves)):
            if request.method != "POST" and self._may_see(request, row):
                return redirect("admin:organizations_bulkaction_change", id)
            raise PermissionDenied
        if request.method == "POST":
            try:
                if approves:
                    self._say(request, bulk.approve(id=id, by=by, now=clock.now()))
                else:
                    bulk.give_up(id=id, by=by, now=clock.now())
                    messages.success(request, "Given up. Nothing was done.")
            except NotDecidable as refusal:
                messages.error(request, sentence(refusal))
        return redirect("admin:organizations_bulkaction_change", id)

    def _say(self, request: HttpRequest, row: BulkAction) -> None:
        if row.state == State.WAITING:
            messages.warning(
                request,
                "Proposed. Nothing is done: so much together is not for one person alone, so another has to approve it.",
            )
            return
        of = asked(row, BY_SLUG[row.action], now=clock.now())
        waiting = bulk.items_of(row).filter(is_to_do=True, finished_at=None)
        carrying_out.work_through(waiting, lambda item: carrying_out.do(of, item))
        totals = bulk.totals_of(row)
        left = totals.total - totals.finished
        more = f" {left:,} are left to a worker." if left else ""
        messages.success(
            request,
            f"{totals.done:,} done, {totals.skipped:,} skipped, {totals.failed:,} failed.{more}",
        )

    def download(self, request: HttpRequest, id: UUID) -> StreamingHttpResponse:
        """Each of them with what it would do, and what came of it, as CSV."""
        row = get_object_or_404(BulkAction, id=id)
        if not self._may_see(request, row):
            raise PermissionDenied
        rows = sheet.file(_table(row, BY_SLUG[row.action]))
        answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
        name = f"{row.action}-{row.asked_at:%Y-%m-%d}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _may_see(self, request: HttpRequest, row: BulkAction) -> bool:
        """Whether somebody may see actions on many, and whom this one is for."""
        rights = ["organizations.view_organization", "credits.view_wallet"]
        rights += ["organizations.view_actor"] if BY_SLUG[row.action].of_people else []
        return self.has_view_permission(request, row) and request.user.has_perms(rights)

    @display(description="Asked", ordering="id")
    def asked(self, row: BulkAction) -> SafeString | str:
        return moment(row.asked_at)

    @display(description="What")
    def what(self, row: BulkAction) -> str:
        return BY_SLUG[row.action].verb

    @display(description="For", ordering="total")
    def whom(self, row: BulkAction) -> str:
        return count_of(BY_SLUG[row.action], row)

    @display(description="State", ordering="state")
    def state_shown(self, row: BulkAction) -> SafeString:
        return state_of(row)


def state_of(row: BulkAction) -> SafeString:
    """Return whether it was confirmed, as a label."""
    is_open = row.state in (State.DRAFT, State.WAITING)
    if is_open and row.expires_at <= clock.now():
        return pill("expired", "warn")
    return pill(row.get_state_display().lower(), TONES[row.state])


def _page(request: HttpRequest, of: Asked) -> dict[str, Any]:
    row, totals, name = of.bulk, bulk.totals_of(of.bulk), request.user.get_username()
    is_open = row.state in (State.DRAFT, State.WAITING) and of.now < row.expires_at
    is_own, action = row.asked_by == name, of.many.action
    is_rehearsed = totals.rehearsed == totals.total
    limit = action.alone_up_to(of.author) if of.author else None
    shown = request.GET.get("show", "")
    items = bulk.items_of(row).filter(SHOWN.get(shown, SHOWN[""])[1])
    page = Paginator(items.select_related("organization", "actor"), ROWS).get_page(
        request.GET.get("p")
    )
    return {
        "title": f"{of.many.verb} for {count_of(of.many, row)}",
        "many": of.many,
        "action": action,
        "asked": asked_in_words(of.form),
        "state": state_of(row),
        "totals": totals,
        "progress": _progress(row, totals),
        "is_open": is_open,
        "is_own": is_own,
        "is_rehearsed": is_rehearsed,
        "is_busy": (is_open and not is_rehearsed)
        or (row.state == State.CONFIRMED and totals.finished < totals.total),
        "may_confirm": is_open and is_own and row.state == State.DRAFT and may_use(request, action),
        "may_approve": is_open
        and not is_own
        and row.state == State.WAITING
        and action.may_approve(request.user),
        "needs_another": row.needs_second_person
        or bulk.needs_another(row, totals, limit=limit, now=of.now),
        "edit_url": row.selection,
        "payload": [(field, value) for field, sent in row.payload.items() for value in sent],
        "columns": of.many.columns,
        "rows": [_row(item, of.many) for item in page],
        "page": page,
        "shown": shown,
        "views": [
            (key, title, count)
            for key, (title, _) in SHOWN.items()
            if (count := _counted(totals, key))
        ],
        "csv": reverse("admin:organizations_bulkaction_csv", args=[row.pk]),
    }


def _counted(totals: Totals, key: str) -> int:
    counts = {"": totals.total, "refused": totals.refused, "unblocked": totals.unblocked}
    counts |= {"blocked": totals.blocked, "failed": totals.failed, "skipped": totals.skipped}
    return counts[key]


def _progress(row: BulkAction, totals: Totals) -> dict[str, Any]:
    is_doing = row.state == State.CONFIRMED
    done = totals.finished if is_doing else totals.rehearsed
    return {
        "word": "Done" if is_doing else "Looked at",
        "done": done,
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
