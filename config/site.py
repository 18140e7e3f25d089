"""The site of the admin, under the theme: what each of its pages is given."""

from typing import Any, cast

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import sites
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Theme(AppConfig):
    """The theme, with our site in the place of its own."""

    name = "unfold"

    def ready(self) -> None:
        admin.site = sites.site = Site()


class Site(UnfoldAdminSite):
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return every model by its app, found when somebody looks: each page is given the list, and the menu is ours (`config.menu`)."""

        def found() -> list[Any]:
            return cast(list[Any], UnfoldAdminSite.get_app_list(self, request, app_label))

        return cast(list[Any], SimpleLazyObject(found))

    def _get_is_tab_active(self, request: HttpRequest, tabs: list[Any], link: str) -> bool:
        """Whether a line of the menu leads to where the tabs of the page do: ours say themselves where they are active, whatever tab it is."""
        return False
