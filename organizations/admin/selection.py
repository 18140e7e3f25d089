"""What is done with rows that were selected on a list, or with all that its filters leave: the bar above them, and the form that asks."""

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from organizations import bulk, clock
from organizations.admin import many as carrying_out
from organizations.admin.action_view import payload_of
from organizations.admin.actions import ActionForm, may_use, sentence
from organizations.admin.exports import ExportedAdmin
from organizations.admin.forms import as_id
from organizations.admin.many import Many
from organizations.bulk import MOST, AskedOtherwise, NobodyChosen, TooMany
from organizations.models import BulkAction
from organizations.models.bulk import Subject

IDS, ACROSS = "ids", "across"
"""How the address of a form says who is meant: some, by their ids, or all that the other parameters leave."""
REFUSALS = (NobodyChosen, TooMany, AskedOtherwise)

Act = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponseBase]


class ManyAdmin(ExportedAdmin):
    """A list whose rows can be selected: for an action on all of them, or for a file."""

    many: ClassVar[Sequence[Many]] = ()
    actions: Any = ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.many_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_many"
        return [path("many/<slug:slug>/", view, name=name), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the buttons of the bar: those that whoever asks may use."""
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        for each in self.many:
            if may_use(request, each.action):
                name = f"many-{each.slug}"
                found[name] = (asking_for(each.slug), name, each.title)
        if self.exported:
            found["export-selected"] = (_export, "export-selected", "Export")
        return found

    def many_view(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        """Ask once for all of them, and then show what it would do to each."""
        each = next((each for each in self.many if each.slug == slug), None)
        if each is None:
            raise Http404
        if not (may_use(request, each.action) and self.has_view_permission(request)):
            raise PermissionDenied
        rows = chosen(self, request)
        subjects = each.subjects(rows)
        step = request.POST.get("step") if request.method == "POST" else "ask"
        if step == "ask":
            form = each.form_of(None, user=request.user, initial={"once": uuid4()})
            return self._ask_once(request, each, form, subjects)
        form = each.form_of(_data(request, step), user=request.user)
        if step == "preview" and form.is_valid():
            try:
                return self._begin(request, each, form, rows, subjects)
            except REFUSALS as refusal:
                form.add_error(None, sentence(refusal))
        return self._ask_once(request, each, form, subjects)

    def _begin(
        self,
        request: HttpRequest,
        each: Many,
        form: ActionForm,
        rows: QuerySet[Any],
        subjects: Sequence[Subject],
    ) -> HttpResponse:
        """Write down what is asked, and look what it would do to as many as there is time for."""
        now, began = clock.now(), time.monotonic()
        asked = BulkAction(
            id=form.cleaned_data["once"],
            action=each.slug,
            payload=payload_of(request, form) | each.meant(rows),
            selection=f"{request.path}?{request.GET.urlencode()}",
            reason=form.cleaned_data["reason"],
            proposed_by=request.user.get_username(),
        )
        row = bulk.begin(asked, subjects=subjects, now=now)
        carrying_out.look_at_some(carrying_out.asked(row, each, now=now), began=began)
        return redirect("admin:organizations_bulkaction_change", row.pk)

    def _ask_once(
        self, request: HttpRequest, each: Many, form: ActionForm, subjects: Sequence[Subject]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "many": each,
            "action": each.action,
            "back": list_behind(self, request),
            "title": f"{each.verb} for {_count(each, len(subjects))}",
            "whom": _count(each, len(subjects)),
            "is_too_many": len(subjects) > MOST,
            "most": MOST,
            "is_nobody": not subjects,
        }
        return TemplateResponse(request, "admin/many_form.html", context)


def chosen(rows: ExportedAdmin, request: HttpRequest) -> QuerySet[Any]:
    """Return the rows of a list that an address means: some, by their ids, or all that its filters leave."""
    if ACROSS not in request.GET:
        ids = [id for text in request.GET.get(IDS, "").split(",") if (id := _key(text))]
        found: QuerySet[Any] = rows.get_queryset(request).filter(pk__in=ids)
        return found
    filters = request.GET.copy()
    del filters[ACROSS]
    asked, request.GET = request.GET, filters  # type: ignore[assignment]
    try:
        found = rows.get_changelist_instance(request).queryset
    except IncorrectLookupParameters:
        found = rows.get_queryset(request).none()
    finally:
        request.GET = asked
    return found


def _key(text: str) -> UUID | int | None:
    key = as_id(text)
    return key if key is not None else int(text) if text.isascii() and text.isdigit() else None


def list_behind(rows: ExportedAdmin, request: HttpRequest) -> str:
    """Return the address of the list on which rows were chosen, with its filters."""
    back = reverse(f"admin:{rows.opts.app_label}_{rows.opts.model_name}_changelist")
    filters = request.GET.copy()
    for name in (IDS, ACROSS):
        filters.pop(name, None)
    return f"{back}?{filters.urlencode()}" if filters else back


def asking_for(slug: str) -> Act:
    """Return what the bar above a list does: ask for an action for the rows that are chosen."""

    def ask(rows: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase:
        name = f"admin:{rows.opts.app_label}_{rows.opts.model_name}_many"
        url = reverse(name, args=[slug])
        meant = QueryDict(mutable=True)
        if request.POST.get("select_across") == "1":
            meant.update(request.GET)
            meant[ACROSS] = "1"
        else:
            meant[IDS] = ",".join(request.POST.getlist("_selected_action"))
        return redirect(f"{url}?{meant.urlencode(safe=',')}")

    return ask


def _export(rows: ManyAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase:
    return rows.file_of(queryset)


def _data(request: HttpRequest, step: str | None) -> QueryDict:
    """Return what was filled in; gone back to, it is another request."""
    data = request.POST.copy()
    if step != "preview":
        data["once"] = str(uuid4())
    return data


def _count(each: Many, count: int) -> str:
    what = ("person", "people") if each.of_people else ("organization", "organizations")
    if count > MOST:
        return f"more than {MOST:,} {what[1]}"
    return f"{count:,} {what[count != 1]}"


def count_of(each: Many, row: BulkAction) -> str:
    """Return for how many a bulk action is, in words."""
    return _count(each, row.total)
