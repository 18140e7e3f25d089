"""The menu as somebody of the staff sees it: the rooms that they may enter, with what waits in them."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from config.menu import RECORDS, ROOMS, Page, Room
from usage.admin.badges import Badge, badges


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu as the theme reads it."""
    index = reverse("admin:index")
    home = {"title": "Home", "icon": "home", "link": index, "active": request.path == index}
    waiting = badges(request)
    rooms = [_line(room, request, waiting) for room in ROOMS if room.pages_for(request)]
    records = [_record(page, request) for page in RECORDS if page.may_view(request)]
    closed = {"title": "Records", "separator": True, "collapsible": True, "items": records}
    return [{"items": [home, *rooms]}, *([closed] if records else [])]


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the lists of the room that the page is in, as the theme reads them. Of other rooms no page shows any."""
    return [_tabs(room, request) for room in ROOMS if len(room.pages) > 1 and room.is_here(request)]


def environment(request: HttpRequest) -> tuple[str, str] | None:
    """Return what is said of this installation on every page, and in which colour: one that is called production warns."""
    name = settings.ENVIRONMENT_NAME
    return (name, "danger" if name.lower().startswith("prod") else "info") if name else None


def _line(room: Room, request: HttpRequest, waiting: Mapping[str, Badge]) -> dict[str, Any]:
    first = room.pages_for(request)[0]
    line = {
        "title": room.title,
        "icon": room.icon,
        "link": first.path,
        "active": room.is_here(request),
    }
    badge = waiting.get(room.badge or "")
    if badge is None:
        return line
    return line | {"badge": badge.shown, "badge_variant": "danger" if badge.is_wrong else "info"}


def _tabs(room: Room, request: HttpRequest) -> dict[str, Any]:
    items = [_record(page, request) for page in room.pages]
    return {"models": [f"{page.app}.{page.model}" for page in room.pages], "items": items}


def _record(page: Page, request: HttpRequest) -> dict[str, Any]:
    return {
        "title": page.title,
        "link": page.path,
        "permission": page.may_view,
        "active": page.is_here(request),
    }
