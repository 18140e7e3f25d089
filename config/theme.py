"""How the admin looks, and where its menu leads. Everything is served from here: no page asks another host for anything."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _entry(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    """Return a line of the menu: the list of a model, for those who may see it."""

    def may_view(request: HttpRequest) -> bool:
        return request.user.has_perm(f"{app}.view_{model}")

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": may_view,
    }


def _may_decide(request: HttpRequest) -> bool:
    rights = ("organizations.view_proposal", "credits.add_ledgerentry", "usage.add_usageevent")
    return any(request.user.has_perm(right) for right in rights)


def _stylesheet(request: HttpRequest) -> str:
    return static("purser/admin.css")


def _finder(request: HttpRequest) -> str:
    return static("purser/finder.js")


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
    "DASHBOARD_CALLBACK": "usage.admin.dashboard.index",
    "STYLES": [_stylesheet],
    "SCRIPTS": [_finder],
    "LOGIN": {"form": "config.lockout.LoginForm"},
    "ACCOUNT": {
        "navigation": [{"title": "Second factor", "link": reverse_lazy("second-factor")}],
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
        "navigation": [
            {
                "items": [
                    {
                        "title": "Overview",
                        "icon": "space_dashboard",
                        "link": reverse_lazy("admin:index"),
                    },
                    _entry("Organizations", "domain", "organizations", "organization"),
                    _entry("API keys", "key", "organizations", "apikey"),
                    _entry("Proposals", "how_to_vote", "organizations", "proposal")
                    | {"permission": _may_decide},
                ]
            },
            {
                "title": "Credits",
                "separator": True,
                "items": [
                    _entry("Wallets", "account_balance_wallet", "credits", "wallet"),
                    _entry("Ledger", "receipt_long", "credits", "ledgerentry"),
                    _entry("Grants", "redeem", "credits", "grant"),
                    _entry("Grant draws", "call_split", "credits", "grantdraw"),
                    _entry("Reservations", "hourglass_top", "credits", "reservation"),
                    _entry("Billing periods", "calendar_month", "credits", "billingperiod"),
                    _entry("Credit config", "tune", "credits", "creditconfig"),
                ],
            },
            {
                "title": "Usage",
                "separator": True,
                "items": [
                    _entry("Actors", "person", "organizations", "actor"),
                    _entry("Groups", "groups", "organizations", "group"),
                    _entry("Usage profiles", "assignment_ind", "organizations", "usageprofile"),
                    _entry("Thresholds", "vertical_align_top", "usage", "thresholds"),
                    _entry("Limits", "speed", "usage", "limit"),
                    _entry("Usage events", "bolt", "usage", "usageevent"),
                    _entry("Denials", "block", "usage", "denial"),
                    _entry("Counters", "data_usage", "credits", "usagecounter"),
                    _entry("Rollups", "stacked_bar_chart", "usage", "usagerollup"),
                ],
            },
            {
                "title": "Rate card",
                "separator": True,
                "items": [
                    _entry("AI models", "smart_toy", "usage", "aimodel"),
                    _entry("Rates", "sell", "usage", "rate"),
                ],
            },
            {
                "title": "Calendar",
                "separator": True,
                "items": [
                    _entry("Jobs", "checklist", "organizations", "job"),
                    _entry("Failures", "sync_problem", "organizations", "failure"),
                    _entry("Findings", "troubleshoot", "organizations", "finding"),
                    _entry("Schedules", "schedule", "django_celery_beat", "periodictask"),
                    _entry("Intervals", "timelapse", "django_celery_beat", "intervalschedule"),
                    _entry("Crontabs", "event_repeat", "django_celery_beat", "crontabschedule"),
                ],
            },
            {
                "title": "System",
                "separator": True,
                "items": [
                    _entry("Idempotency keys", "repeat_one", "organizations", "idempotencykey"),
                    _entry("Staff", "badge", "auth", "user"),
                    _entry("Staff groups", "shield_person", "auth", "group"),
                    _entry("Logins", "login", "axes", "accesslog"),
                    _entry("Failed logins", "gpp_bad", "axes", "accessfailurelog"),
                ],
            },
        ],
    },
}
