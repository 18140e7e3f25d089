"""Where a model costs otherwise than the public price list says: on its page, in the list, and the page on which that is accepted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views import View
from unfold.admin import ModelAdmin

from credits.admin.rules import ReasonForm
from organizations import clock
from organizations.admin import ViewOnlyAdmin, link, pill
from organizations.admin.actions import staff
from organizations.admin.findings import PAGES
from organizations.models import Finding, Job
from usage.admin.new_prices import page
from usage.admin.rate_cells import price_cell
from usage.models import AcceptedDifference, AIModel
from usage.services import drift
from usage.services.drift import Compared, Difference

ACCEPT, AGAIN = "accept", "again"
CHANGED = "It is not what was shown any more: look again."


def page_of(slug: str) -> str:
    """Return the page of a model."""
    return reverse("admin:usage_aimodel_change", args=[slug])


PAGES[drift.CHECK] = page_of


def told(found: Compared | None) -> SafeString | str:
    """Say in a word how a model stands beside the list."""
    if found is None or not found.is_listed:
        return "–"
    if not found.differences:
        return pill("as listed", "good")
    if not found.open:
        return pill("accepted")
    dearer = [each.own > each.listed for each in found.open]
    word = "dearer" if all(dearer) else "differs" if any(dearer) else "cheaper"
    return pill(word, "warn")


class DriftFilter(SimpleListFilter):
    """Models by what the last daily comparison with the list found."""

    title = "price list"
    parameter_name = "drift"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("differs", "Differs, as of the last comparison"), ("accepted", "Accepted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AIModel]) -> QuerySet[AIModel]:
        if self.value() == "differs":
            return queryset.filter(slug__in=[*last_found()])
        if self.value() == "accepted":
            accepted = AcceptedDifference.objects.values("model")
            return queryset.filter(slug__in=accepted)
        return queryset


def last_found() -> list[str]:
    """Return the models of which the last comparison found that they differ."""
    jobs = Job.objects.filter(kind=drift.COMPARE.kind, finished_at__isnull=False)
    last = jobs.order_by("-started_at").values_list("id", flat=True).first()
    if last is None:
        return []
    found = Finding.objects.filter(job_id=last, check_name=drift.CHECK)
    return list(found.values_list("subject", flat=True))


def drift_of(model: AIModel, *, now: datetime) -> dict[str, Any]:
    """Return how a model stands beside the list, as its page shows it."""
    found = drift.compared([model.pk], now=now)[model.pk]
    return {
        "compared": found,
        "drift_word": told(found),
        "accept_url": reverse("admin:usage_aimodel_accept-difference", args=[model.pk]),
        "listed_url": f"{reverse('admin:usage_aimodel_new-prices', args=[model.pk])}?list=1",
    }


class AcceptForm(ReasonForm):
    """Why it is meant, and what was shown."""

    shown = forms.CharField(widget=forms.HiddenInput)


class AcceptView(View):
    """What differs from the list → a reason → it is told no more; or it is told again."""

    model_admin: ModelAdmin | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.has_perm("usage.change_rate"):
            raise PermissionDenied
        self.now = clock.now()
        self.model = get_object_or_404(AIModel, pk=kwargs["object_id"])
        self.found = drift.compared([self.model.pk], now=self.now)[self.model.pk]
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self._ask(AcceptForm(initial={"shown": _digest(self.found.open)}))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.POST.get("step") == AGAIN:
            count = drift.tell_again(self.model)
            return self._done(f"{count} differences from the list are told again.")
        form = AcceptForm(request.POST)
        if not form.is_valid():
            return self._ask(form)
        if not self.found.open:
            return self._done("Nothing differs that is not accepted.")
        if form.cleaned_data["shown"] != _digest(self.found.open):
            messages.error(request, CHANGED)
            return redirect(request.get_full_path())
        reason = form.cleaned_data["reason"]
        drift.accept(
            self.found.open,
            reason=reason,
            accepted_by=staff(request.user),
            now=self.now,
        )
        said = "; ".join(each.sentence for each in self.found.open)
        return self._done(f"Accepted for {self.model.name}: {said}.", reason)

    def _ask(self, form: AcceptForm) -> HttpResponse:
        return page(
            self.request, self.model_admin, self.model, "accept.html", form=form, found=self.found
        )

    def _done(self, text: str, reason: str = "") -> HttpResponse:
        assert self.model_admin is not None
        because = f" Reason: {reason}" if reason else ""
        self.model_admin.log_change(self.request, self.model, text + because)
        messages.success(self.request, text)
        return redirect("admin:usage_aimodel_change", self.model.pk)


def _digest(differences: Sequence[Difference]) -> str:
    """Return what was shown, in a line."""
    return " · ".join(each.sentence for each in differences)


@admin.register(AcceptedDifference)
class AcceptedDifferenceAdmin(ViewOnlyAdmin):
    """Differences from the list that are meant: who said so, and why. Told again once either side says something else."""

    nothing = "No price differs on purpose from the public list."
    list_display = (
        "what",
        "model_link",
        "listed_shown",
        "own_shown",
        "reason",
        "by",
        "accepted_at",
    )
    list_select_related = ("model",)
    ordering = ("-id",)
    search_fields = ("model__slug", "model__name", "reason")
    search_help_text = "Id or name of a model, or a word of the reason"

    @admin.display(description="Model", ordering="model")
    def model_link(self, row: AcceptedDifference) -> SafeString:
        return link(row.model)

    @admin.display(description="Price of")
    def what(self, row: AcceptedDifference) -> str:
        return Difference(row.model_id, row.step, row.own, row.listed).name

    @admin.display(description="The list says")
    def listed_shown(self, row: AcceptedDifference) -> SafeString | str:
        return price_cell(row.listed)

    @admin.display(description="Ours")
    def own_shown(self, row: AcceptedDifference) -> SafeString | str:
        return price_cell(row.own)

    @admin.display(description="By", ordering="accepted_by")
    def by(self, row: AcceptedDifference) -> SafeString:
        return format_html("{}", row.accepted_by)
