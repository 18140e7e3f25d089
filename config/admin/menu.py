"""The menu as somebody of the staff sees it: the rooms that they may enter, with what waits in them."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from config.menu import RECORDS, ROOMS, Room, record
from usage.admin.badges import badges


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu as the theme reads it."""
    home = {"title": "Home", "icon": "home", "link": reverse("admin:index")}
    waiting = badges(request)
    rooms = [_line(room, request, waiting) for room in ROOMS if room.pages_for(request)]
    records = [record(page) for page in RECORDS if page.may_view(request)]
    closed = {"title": "Records", "separator": True, "collapsible": True, "items": records}
    return [{"items": [home, *rooms]}, *([closed] if records else [])]


def environment(request: HttpRequest) -> tuple[str, str] | None:
    """Return what is said of this installation on every page, and in which colour: one that is called production warns."""
    name = settings.ENVIRONMENT_NAME
    return (name, "danger" if name.lower().startswith("prod") else "info") if name else None


def _line(room: Room, request: HttpRequest, waiting: Mapping[str, str]) -> dict[str, Any]:
    first = room.pages_for(request)[0]
    line = {
        "title": room.title,
        "icon": room.icon,
        "link": reverse(first.route),
        "active": room.is_here(request),
    }
    count = waiting.get(room.badge or "")
    return line | ({"badge": count, "badge_variant": "danger"} if count else {})
