"""Imports as staff see them: a file is brought, a page says what it would do and what is wrong with it, and somebody starts it."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from organizations import clock, sheet, tables
from organizations.admin import ViewOnlyAdmin, pill
from organizations.admin.actions import sentence, staff
from organizations.admin.delegation import delegable_scopes, delegable_tiers
from organizations.models import Import, ImportPart, ImportRow
from usage.admin.import_form import ImportForm, kinds_for
from usage.services import imports
from usage.services.imports import KINDS, Kind, NotStartable, Secret

SHOWN = 100
"""How many problems, and how many organizations, the page lists; the files have all."""
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PROBLEMS = ("row", "column", "problem", "organization")
REPORT = ("row", "organization", "organizationId", "state", "made", "said", "problem")
SECRETS = ("row", "organization", "name", "id", "secret")
ADD, APPROVE = "organizations.add_import", "organizations.approve"


@admin.register(Import)
class ImportAdmin(ViewOnlyAdmin):
    """Files that staff brought, newest first. A worker looks at each, and does what it says once somebody starts it."""

    nothing = "Nothing was imported yet."
    list_display = (
        "kind_shown",
        "file_name",
        "rows",
        "state",
        "brought_by",
        "brought_at",
        "reason",
    )
    ordering = ("-id",)
    search_fields = ("file_name", "reason", "performed_by")
    search_help_text = "A word of the file's name or of the reason, or who brought it"

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(ADD)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        pages = (
            ("template/<slug:slug>.<slug:extension>", self.template, "template"),
            ("<uuid:id>/start/", self.start, "start"),
            ("<uuid:id>/stop/", self.stop, "stop"),
            ("<uuid:id>/problems.csv", self.problems, "problems"),
            ("<uuid:id>/report.csv", self.report, "report"),
        )
        own = [path(at, view(page), name=f"organizations_import_{n}") for at, page, n in pages]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(
            request.POST or None,
            request.FILES or None,
            user=request.user,
            initial={"kind": request.GET.get("kind")},
        )
        if request.method == "POST" and form.is_valid():
            made = imports.begin_import(
                kind=form.chosen,
                table=form.table,
                file_name=form.cleaned_data["file"].name,
                reason=form.cleaned_data["reason"],
                performed_by=staff(request.user),
                scopes=delegable_scopes(request.user),
                tiers=delegable_tiers(request.user),
                now=clock.now(),
            )
            return redirect("admin:organizations_import_change", made.pk)
        return self._page(
            request,
            "form.html",
            None,
            form=form,
            title="Import",
            kinds=kinds_for(request.user),
            most_rows=tables.MOST_ROWS,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        whole = self._whole(request, object_id)
        if request.method != "GET":
            raise PermissionDenied
        return self._page(
            request, "page.html", whole, title=KINDS[whole.kind].title, **_told(whole, request)
        )

    def start(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Ask once more, and have it carried out. Where keys are minted, the answer has their secrets: once, and nowhere else."""
        whole = self._whole(request, str(id))
        if not _may_start(request, whole):
            raise PermissionDenied
        asked: dict[str, Any] = {
            "by": staff(request.user),
            "may_approve": request.user.has_perm(APPROVE),
            "above": settings.SECOND_PERSON_ABOVE,
            "now": clock.now(),
        }
        try:
            if request.method != "POST":
                imports.require_startable(whole, **asked)
                told = _told(whole, request)
                return self._page(request, "start.html", whole, title="Start the import", **told)
            scopes = delegable_scopes(request.user)
            secrets = imports.start_import(whole=whole, scopes=scopes, **asked)
        except NotStartable as error:
            messages.error(request, sentence(error))
        else:
            if secrets:
                return self._secrets(request, whole, secrets)
            messages.success(request, "Started. This page shows how far it is.")
        return redirect("admin:organizations_import_change", id)

    def stop(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Give an import up: the rest of one that was started, or all of one that was not."""
        whole = self._whole(request, str(id))
        if not _may_start(request, whole):
            raise PermissionDenied
        if request.method == "POST" and imports.stop_import(
            whole=whole, by=staff(request.user), now=clock.now()
        ):
            messages.success(request, "Stopped. What is done stays; the rest is not done.")
        if Import.objects.filter(pk=id).exists():
            return redirect("admin:organizations_import_change", id)
        return redirect("admin:organizations_import_changelist")

    def _secrets(
        self, request: HttpRequest, whole: Import, secrets: Sequence[Secret]
    ) -> HttpResponse:
        file = "".join(sheet.file([SECRETS, *secrets])).encode()
        return self._page(
            request,
            "secrets.html",
            whole,
            title="Secrets of the new keys",
            secrets=secrets[:SHOWN],
            many=len(secrets),
            file=base64.b64encode(file).decode(),
        )

    def template(self, request: HttpRequest, slug: str, extension: str) -> StreamingHttpResponse:
        """An empty file to fill in, with its columns explained."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = KINDS.get(slug)
        if kind is None or extension not in ("csv", "xlsx"):
            raise Http404
        columns = {column.name: column.about for column in kind.columns}
        if extension == "xlsx":
            examples = {column.name: column.example for column in kind.columns}
            return _file(iter([tables.workbook(columns, examples)]), f"{slug}.xlsx", XLSX)
        return _file(sheet.file(_empty(kind)), f"{slug}.csv", CSV)

    def problems(self, request: HttpRequest, id: UUID) -> StreamingHttpResponse:
        """Everything that is wrong with an import, by row and column."""
        whole = self._whole(request, str(id))
        return _file(sheet.file(_problems(whole)), f"problems-{id}.csv", CSV)

    def report(self, request: HttpRequest, id: UUID) -> StreamingHttpResponse:
        """What became of each row of an import."""
        whole = self._whole(request, str(id))
        return _file(sheet.file(_report(whole)), f"import-{id}.csv", CSV)

    def _whole(self, request: HttpRequest, object_id: str) -> Import:
        whole: Import | None = self.get_object(request, object_id)
        if whole is None:
            raise Http404
        if not self.has_view_permission(request, whole):
            raise PermissionDenied
        return whole

    def _page(
        self, request: HttpRequest, template: str, whole: Import | None, **context: Any
    ) -> TemplateResponse:
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": whole,
            "back": reverse("admin:organizations_import_changelist"),
        }
        return TemplateResponse(request, f"admin/organizations/import/{template}", context)

    @display(description="What", ordering="kind")
    def kind_shown(self, whole: Import) -> str:
        return KINDS[whole.kind].title

    @display(description="State")
    def state(self, whole: Import) -> SafeString:
        return pill(*_state(whole))

    @display(description="By", ordering="performed_by")
    def brought_by(self, whole: Import) -> str:
        return whole.performed_by

    @display(description="Brought (UTC)", ordering="id")
    def brought_at(self, whole: Import) -> str:
        return f"{whole.created_at:%Y-%m-%d %H:%M}"


def _state(whole: Import) -> tuple[str, str]:
    """Return how an import stands, and the tone of that."""
    if whole.finished_at is not None:
        return "carried out", "good"
    if whole.started_at is not None:
        return "being carried out", "info"
    if whole.checked_at is None:
        return "being looked at", "info"
    return (f"{whole.problems:,} wrong", "bad") if whole.problems else ("ready to start", "warn")


def _may_start(request: HttpRequest, whole: Import) -> bool:
    return request.user.has_perm(ADD) and request.user.has_perms(KINDS[whole.kind].rights)


def _told(whole: Import, request: HttpRequest) -> dict[str, Any]:
    """Return what the page of an import says."""
    kind, progress = KINDS[whole.kind], imports.progress_of(whole)
    states = ImportRow.State
    is_looking, is_running = whole.checked_at is None, whole.started_at is not None
    waiting = ImportPart.State.WAITING if is_looking else ImportPart.State.READY
    done = whole.parts - progress.parts.get(waiting, 0) if is_looking or is_running else 0
    wrong = list(imports.wrong_rows(whole).select_related("part")[:SHOWN])
    problems = [(row, column, said) for row in wrong for column, said in row.problems]
    parts = whole.part_set.select_related("organization").order_by("turn")
    return {
        "kind": kind,
        "state": _state(whole),
        "noun": kind.noun[1],
        "is_busy": is_looking or (is_running and whole.finished_at is None),
        "is_looking": is_looking,
        "done": done,
        "percent": round(done * 100 / whole.parts),
        "new": progress.rows.get(states.NEW, 0) + progress.rows.get(states.MADE, 0),
        "known": progress.rows.get(states.KNOWN, 0) + progress.rows.get(states.THERE, 0),
        "wrong": progress.rows.get(states.WRONG, 0) + progress.rows.get(states.FAILED, 0),
        "failed_parts": progress.parts.get(ImportPart.State.FAILED, 0),
        "problems": problems,
        "parts": [(part, *_tone(part)) for part in parts[:SHOWN]],
        "more_parts": max(0, whole.parts - SHOWN),
        "may_start": whole.checked_at is not None
        and not whole.problems
        and not is_running
        and _may_start(request, whole),
        "may_stop": whole.finished_at is None and _may_start(request, whole),
        "needs_another": imports.needs_another(
            whole, above=settings.SECOND_PERSON_ABOVE, now=clock.now()
        ),
        "is_own": whole.performed_by == staff(request.user),
        "limit": settings.SECOND_PERSON_ABOVE,
    }


def _tone(part: ImportPart) -> tuple[str, str]:
    tones = {"refused": "bad", "failed": "bad", "ready": "info", "done": "good"}
    return part.get_state_display(), tones.get(part.state, "")


def _empty(kind: Kind) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a CSV to fill in: a remark on each column, and their names."""
    for column in kind.columns:
        needed = " (needed)" if column.required else ""
        example = f" For example: {column.example}" if column.example else ""
        yield (f"# {column.name}{needed}: {column.about}{example}",)
    yield tuple(column.name for column in kind.columns)


def _problems(whole: Import) -> Iterator[tuple[object, ...]]:
    yield PROBLEMS
    for row in imports.wrong_rows(whole).select_related("part").iterator(1_000):
        for column, said in row.problems:
            yield (row.number, column, said, row.part.name)


def _report(whole: Import) -> Iterator[tuple[object, ...]]:
    yield REPORT
    rows = ImportRow.objects.filter(whole=whole).order_by("number")
    for row in rows.select_related("part__organization").iterator(1_000):
        owner = row.part.organization
        said = "; ".join(f"{column}: {text}" if column else text for column, text in row.problems)
        yield (
            *(row.number, row.part.name, owner.public_id if owner else ""),
            *(row.get_state_display(), row.made, row.said, said),
        )


def _file(lines: Iterator[Any], name: str, kind: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
