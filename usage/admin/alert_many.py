"""What is done about many alerts at once: asked why once, shown for each, and confirmed once for all that were shown."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from organizations import clock
from organizations.admin.actions import sentence, staff
from organizations.admin.exports import ExportedAdmin
from organizations.admin.forms import as_id
from organizations.admin.selection import asking_for, chosen, list_behind
from organizations.bulk import MOST
from organizations.idempotency import again
from organizations.models import Alert
from usage.admin.alert_deeds import DEEDS, MANAGE, REFUSALS, USUAL_SILENCE, Deed
from usage.admin.alert_words import TONES, page_of, said, whose

SHOWN = 100
"""How many of them the preview names; of the others it says how many they are."""
OF_MANY: Mapping[str, Deed] = {deed.slug: deed for deed in DEEDS if deed.of_many is not None}


class Line(NamedTuple):
    """An alert of the preview: whom it is about, what was seen, its state, and what becomes of that."""

    alert: Alert
    url: str
    whose: str
    said: str
    before: str
    tone: str
    after: str
    """Empty where nothing becomes of it."""


class ManyAlerts(ExportedAdmin):
    """A list of alerts that staff take care of many at once."""

    actions: Any = ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.many_view)
        own = path("many/<slug:slug>/", view, name="organizations_alert_many")
        return [own, *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the buttons of the bar, for who may take care of alerts."""
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        if request.user.has_perm(MANAGE):
            for deed in OF_MANY.values():
                name = f"many-{deed.slug}"
                found[name] = (asking_for(deed.slug), name, f"{deed.title}…")
        return found

    def many_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Ask why, show what becomes of each, and do it to those that were shown."""
        deed = OF_MANY.get(slug)
        if deed is None:
            raise Http404
        if not (request.user.has_perm(MANAGE) and self.has_view_permission(request)):
            raise PermissionDenied
        now, step = clock.now(), request.POST.get("step", "")
        form = deed.form(request.POST if step else None, initial={"until": now + USUAL_SILENCE})
        rows = self._meant(request, step)
        if step == "confirm" and form.is_valid():
            try:
                return self._do_to_all(request, deed, rows, form.cleaned_data, now)
            except REFUSALS as refusal:
                form.add_error("until" if "until" in form.fields else None, sentence(refusal))
        is_shown = step == "preview" and form.is_valid() and 0 < len(rows) <= MOST
        template = "many_preview" if is_shown else "many_form"
        context = self._context(request, deed, form, rows, now)
        return TemplateResponse(request, f"admin/organizations/alert/{template}.html", context)

    def _meant(self, request: HttpRequest, step: str) -> list[Alert]:
        """Return the alerts that are meant, the newest first, and no more than one too many: once they were shown, those that were."""
        if step in ("confirm", "edit"):
            ids = [id for text in request.POST.get("shown", "").split(",") if (id := as_id(text))]
            return _some(self.get_queryset(request).filter(pk__in=ids))
        return _some(chosen(self, request))

    def _do_to_all(
        self,
        request: HttpRequest,
        deed: Deed,
        rows: Sequence[Alert],
        data: Mapping[str, Any],
        now: datetime,
    ) -> HttpResponse:
        ids: list[UUID] = [alert.pk for alert in rows[:MOST]]
        service, by = deed.of_many, staff(request.user)
        assert service is not None
        done = again(lambda: service(ids=ids, performed_by=by, now=now, **data))
        others = f" {len(ids) - done:,} are left as they were." if done < len(ids) else ""
        messages.success(request, f"{done:,} {deed.leads_to}.{others}")
        return redirect(list_behind(self, request))

    def _context(
        self, request: HttpRequest, deed: Deed, form: Any, rows: Sequence[Alert], now: datetime
    ) -> dict[str, Any]:
        lines = [_line(alert, deed, now) for alert in rows]
        counts = Counter(line.after for line in lines)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "action": deed,
            "form": form,
            "title": f"{deed.title}: {_count(len(rows))}",
            "whom": _count(len(rows)),
            "lines": lines[:SHOWN],
            "others": max(0, len(lines) - SHOWN),
            "shown": ",".join(str(alert.pk) for alert in rows),
            "changes": len(lines) - counts[""],
            "stays": counts[""],
            "is_too_many": len(rows) > MOST,
            "most": MOST,
            "back": list_behind(self, request),
        }


def _some(rows: QuerySet[Alert]) -> list[Alert]:
    few: Iterable[Alert] = rows.select_related("organization", "actor", "group").order_by("-id")
    return list(few[: MOST + 1])  # type: ignore[index]


def _line(alert: Alert, deed: Deed, now: datetime) -> Line:
    state = alert.state(now)
    fits = state in deed.fits and not (deed.slug == "acknowledge" and alert.acknowledged_at)
    before = "needs somebody" if state == "open" else state
    after = deed.leads_to if fits else ""
    url, who = page_of(alert), whose(alert)
    return Line(alert, url, who, said(alert), before, TONES[state], after)


def _count(count: int) -> str:
    if count > MOST:
        return f"more than {MOST:,} alerts"
    return f"{count:,} alert{'' if count == 1 else 's'}"
