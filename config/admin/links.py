"""Takes out of a page of the admin the links that its reader may not follow: a text stays as text, a button goes.

Pages are made by many templates, and by the theme. What is asked here is what the page behind the link will ask, so none of them has to.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from html import unescape

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from config.logins import ADMIN
from usage.admin.organizations import ACTIONS

LINK = re.compile(
    r'<a\b(?P<attributes>[^>]*?\bhref="(?P<url>/admin/[^"]*)"[^>]*)>(?P<text>.*?)</a>', re.DOTALL
)
BUTTON = re.compile(r'\bclass="[^"]*\b(btn|chip|next|all|row-act)\b')
"""Links of these classes are nothing without what they lead to."""
BY_SLUG = {action.slug: action for action in ACTIONS}
PAGE = re.compile(r"admin:(?P<model>[a-z]+_[a-z]+)_(?P<what>.+)")

Next = Callable[[HttpRequest], HttpResponseBase]


class Followable:
    """Leaves on a page what its reader may open."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponse) and _is_read_by_some(request, response):
            page = response.content.decode(response.charset)
            response.content = only_followable(page, request)
            if response.has_header("Content-Length"):
                response.headers["Content-Length"] = str(len(response.content))
        return response


def _is_read_by_some(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether it is a page of the admin, read by somebody who may not do everything."""
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if not is_page or not request.path_info.startswith(ADMIN):
        return False
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated and not user.is_superuser


def only_followable(page: str, request: HttpRequest) -> str:
    """Return a page without the links that whoever asks may not follow."""
    known: dict[str, bool] = {}

    def left(link: re.Match[str]) -> str:
        path = re.split(r"[?#]", unescape(link["url"]))[0]
        if path not in known:
            known[path] = may_open(request, path)
        if known[path]:
            return link[0]
        return "" if BUTTON.search(link["attributes"]) else link["text"]

    return LINK.sub(left, page)


def may_open(request: HttpRequest, path: str) -> bool:
    """Whether whoever asks may open a page of the admin, as far as rights say. What is not there nobody refuses."""
    page = PAGE.fullmatch(_name_of(path))
    rows = _BY_NAME.get(page["model"]) if page else None
    if page is None or rows is None:
        return True
    return _may(request, rows, page["model"], page["what"])


@lru_cache(10_000)
def _name_of(path: str) -> str:
    """Return the name of a page, or nothing if there is none. Most links of a page are those of every other, and to resolve one takes long."""
    try:
        return resolve(path).view_name
    except Resolver404:
        return ""


def _may(request: HttpRequest, rows: ModelAdmin, model: str, what: str) -> bool:
    action = BY_SLUG.get(what) if model == "organizations_organization" else None
    if action is not None:
        return request.user.has_perm(action.permission)
    if what == "add":
        return bool(rows.has_add_permission(request))
    if what == "delete":
        return bool(rows.has_delete_permission(request)) or request.user.has_perm(
            f"{rows.opts.app_label}.delete_{rows.opts.model_name}"
        )
    return bool(rows.has_view_permission(request))


_BY_NAME: dict[str, ModelAdmin] = {
    f"{model._meta.app_label}_{model._meta.model_name}": rows
    for model, rows in admin.site._registry.items()
}
