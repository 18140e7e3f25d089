"""How the admin looks. Everything is served from here: no page asks another host for anything."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _stylesheet(request: HttpRequest) -> str:
    return static("purser/admin.css")


def _finder(request: HttpRequest) -> str:
    return static("purser/finder.js")


def _page_script(request: HttpRequest) -> str:
    return static("purser/page.js")


def _typed(request: HttpRequest) -> str:
    return static("purser/typed.js")


def _favicon(request: HttpRequest) -> str:
    return static("purser/favicon.svg")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Purser",
    "SITE_HEADER": "Purser",
    "SITE_SUBHEADER": "Credits, kept exactly",
    "SITE_SYMBOL": "account_balance_wallet",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _favicon}],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "config.admin.menu.environment",
    "DASHBOARD_CALLBACK": "usage.admin.home.index",
    "STYLES": [_stylesheet],
    "SCRIPTS": [_finder, _page_script, _typed],
    "LOGIN": {"form": "config.lockout.LoginForm"},
    "ACCOUNT": {
        "navigation": [
            {"title": "Second factor", "link": reverse_lazy("second-factor")},
            {"title": "Your logins", "link": reverse_lazy("own-logins")},
        ],
    },
    "BORDER_RADIUS": "8px",
    # A teal whose 600 carries white text at a contrast of more than 4.5.
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(66% .13 183.5)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33% .053 190)",
            "950": "oklch(27.7% .046 192.524)",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        # The field in the menu opens the finder, as Ctrl-K and / do.
        "command_search": True,
        "show_all_applications": False,
        "navigation": "config.admin.menu.navigation",
    },
    "TABS": "config.admin.menu.tabs",
}
