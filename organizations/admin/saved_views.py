"""Saved views: the filters and the order of a list under a name, one's own or everybody's, above the list."""

from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from organizations import clock
from organizations.admin.change_lists import NEWER, OLDER
from organizations.models import SavedView
from organizations.visible import hides

SHARE = "organizations.share_view"
MOST = 40
"""How many views of a list one person has, and how many stand above it."""
PLACES = (OLDER, NEWER, PAGE_VAR, ERROR_FLAG)
"""The parameters that say where in a list one is: no view keeps them."""


class Shown(NamedTuple):
    """A view as it stands above its list."""

    name: str
    url: str
    is_on: bool
    is_shared: bool
    delete_url: str


class ViewForm(forms.Form):
    """What a view is called, what it shows, and whether everybody sees it."""

    name = forms.CharField(max_length=60)
    query = forms.CharField(max_length=2_000, required=False)
    shared = forms.BooleanField(required=False)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if hides(name):
            raise forms.ValidationError("It has characters that nobody sees.")
        return name

    def clean_query(self) -> str:
        return _kept(QueryDict(self.cleaned_data["query"].removeprefix("?"))).urlencode()


class SavedViews(ModelAdmin):
    """A list above which the views that somebody saved of it stand."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("views/", view(self.save_view), name=self._name("views")),
            path("views/<uuid:id>/delete/", view(self.delete_saved_view), name=self._name("view")),
        ]
        return [*own, *super().get_urls()]

    def _name(self, what: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{what}"

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """Keep what the list shows under a name; under one's own name that is taken, instead of what it was."""
        self._require_post(request)
        form = ViewForm(request.POST)
        place = reverse(f"admin:{self._name('changelist')}")
        if not form.is_valid():
            field, errors = next(iter(form.errors.items()))
            messages.error(request, f"The view is not saved. Its {field}: {errors[0]}")
            return redirect(place)
        data = form.cleaned_data
        if data["shared"] and not request.user.has_perm(SHARE):
            raise PermissionDenied
        mine = {"list": self.opts.label_lower, "owner": request.user.get_username()}
        others = SavedView.objects.filter(**mine).exclude(name=data["name"])
        if others.count() >= MOST:
            messages.error(
                request, f"The view is not saved: {MOST} of a list are the most. Delete one."
            )
            return redirect(place)
        SavedView.objects.update_or_create(
            **mine,
            name=data["name"],
            defaults={
                "query": data["query"],
                "is_shared": data["shared"],
                "created_at": clock.now(),
            },
        )
        whose = "for everybody" if data["shared"] else "for you"
        messages.success(request, f"The view {data['name']} stands above the list, {whose}.")
        return redirect(f"{place}?{data['query']}")

    def delete_saved_view(self, request: HttpRequest, id: UUID) -> HttpResponse:
        """Forget a view: one's own, or a shared one if one may share."""
        self._require_post(request)
        view = get_object_or_404(_views(request, self.opts.label_lower), id=id)
        if not _may_delete(request, view):
            raise PermissionDenied
        view.delete()
        messages.success(request, f"The view {view.name} is deleted.")
        return redirect(f"admin:{self._name('changelist')}")

    def _require_post(self, request: HttpRequest) -> None:
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        current = _kept(request.GET)
        # Asked by the page only: files of a list show no views.
        changes.views = cache(lambda: self._shown(request, current))
        changes.save_view_url = reverse(f"admin:{self._name('views')}")
        changes.view_query = current.urlencode()
        changes.may_share = request.user.has_perm(SHARE)
        return changes

    def _shown(self, request: HttpRequest, current: QueryDict) -> list[Shown]:
        rows = _views(request, self.opts.label_lower).order_by("name", "id")[: 2 * MOST]
        return [
            Shown(
                row.name,
                f"?{row.query}",
                QueryDict(row.query) == current,
                row.is_shared,
                reverse(f"admin:{self._name('view')}", args=[row.pk])
                if _may_delete(request, row)
                else "",
            )
            for row in rows
        ]


def _views(request: HttpRequest, label: str) -> Any:
    """Return the views of a list that somebody sees: their own, and those that are shared."""
    own = Q(owner=request.user.get_username())
    return SavedView.objects.filter(own | Q(is_shared=True), list=label)


def _may_delete(request: HttpRequest, view: SavedView) -> bool:
    is_own = view.owner == request.user.get_username()
    return is_own or (view.is_shared and request.user.has_perm(SHARE))


def _kept(query: QueryDict) -> QueryDict:
    """Return what of an address a view keeps: its filters, its search and its order."""
    kept = query.copy()
    for name in PLACES:
        kept.pop(name, None)
    for name, values in list(kept.lists()):
        if not any(values):
            del kept[name]
    return kept
