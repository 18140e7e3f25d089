"""The menu of the admin: nine rooms for what staff do, and the raw tables behind them, closed. Lists of one room are tabs of each other."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from django.http import HttpRequest
from django.urls import reverse

APPROVALS = ("organizations.view_proposal", "organizations.approve", "credits.grant")
"""Who has one of these rights sees what waits for another person."""

PRICE_APPROVALS = ("usage.view_priceproposal", "organizations.approve")


class Page(NamedTuple):
    """The list of a model, for those who may see it."""

    title: str
    app: str
    model: str
    rights: Sequence[str] = ()
    """One of which is needed; none named: to view the model."""
    first: str = "changelist"
    """The page that it begins with, where that is not the list."""

    @property
    def path(self) -> str:
        """Where it begins."""
        return _path(f"admin:{self.app}_{self.model}_{self.first}")

    def is_here(self, request: HttpRequest) -> bool:
        """Whether the page that is asked for is the list, or a row of it."""
        return request.path.startswith(_path(f"admin:{self.app}_{self.model}_changelist"))

    def may_view(self, request: HttpRequest) -> bool:
        rights = self.rights or (f"{self.app}.view_{self.model}",)
        return any(request.user.has_perm(right) for right in rights)


class Room(NamedTuple):
    """A line of the menu, with the lists that are its tabs; the first that one may see is where it leads."""

    title: str
    icon: str
    pages: Sequence[Page]
    badge: str | None = None
    """Which count stands beside it: `refusals`, `approvals` or `operations`."""

    def pages_for(self, request: HttpRequest) -> list[Page]:
        """Return the lists that whoever asks may see."""
        return [page for page in self.pages if page.may_view(request)]

    def is_here(self, request: HttpRequest) -> bool:
        """Whether the page that is asked for is in it."""
        return any(page.is_here(request) for page in self.pages)


ROOMS: Sequence[Room] = (
    Room(
        "Organizations",
        "domain",
        (
            Page("Organizations", "organizations", "organization"),
            Page("Terms", "credits", "creditconfig"),
            Page("Thresholds", "usage", "thresholds"),
            Page("API keys", "organizations", "apikey"),
        ),
    ),
    Room(
        "People",
        "group",
        (
            Page("People & agents", "organizations", "actor"),
            Page("Teams & shared budgets", "organizations", "group"),
            Page("Limits", "usage", "limit"),
            Page("Budget warnings", "organizations", "budgetwarning"),
            Page("Profiles", "organizations", "usageprofile"),
        ),
    ),
    Room(
        "Refusals",
        "block",
        (Page("Refusals", "usage", "denial"),),
        "refusals",
    ),
    Room(
        "Movements",
        "receipt_long",
        (
            Page("Ledger", "credits", "ledgerentry"),
            Page("Grants", "credits", "grant"),
            Page("Pending grants", "credits", "pendinggrant"),
            Page("Statements", "credits", "billingperiod"),
            Page("Approvals", "organizations", "proposal", APPROVALS, "waiting"),
            Page("Bulk actions", "organizations", "bulkaction"),
        ),
        "approvals",
    ),
    Room(
        "Usage",
        "bolt",
        (
            Page("Work", "usage", "usageevent"),
            Page("Who used most", "usage", "monthlyuse"),
            Page("Holds", "credits", "reservation"),
        ),
    ),
    Room(
        "Prices",
        "sell",
        (
            Page("Models", "usage", "aimodel"),
            Page("Rates", "usage", "rate"),
            Page("Markups", "usage", "markup"),
            Page("Customer prices", "usage", "customerprice"),
            Page("What if", "usage", "whatif"),
            Page("Accepted differences", "usage", "accepteddifference"),
            Page("Proposed prices", "usage", "priceproposal", PRICE_APPROVALS),
        ),
    ),
    Room(
        "Operations",
        "monitor_heart",
        (
            Page("Alerts", "organizations", "alert"),
            Page("Alert rules", "organizations", "alertrule"),
            Page("Jobs", "organizations", "job"),
            Page("Failures", "organizations", "failure"),
            Page("Findings", "organizations", "finding"),
            Page("Renewals ahead", "credits", "rehearsal"),
            Page("Imports", "organizations", "import"),
            Page("Schedules", "django_celery_beat", "periodictask"),
        ),
        "operations",
    ),
    Room(
        "Settings",
        "settings",
        (
            Page("Staff", "auth", "user"),
            Page("Roles", "auth", "group"),
            Page("Logins", "axes", "accesslog"),
            Page("Failed logins", "axes", "accessfailurelog"),
        ),
    ),
)
RECORDS: Sequence[Page] = (
    Page("Wallets", "credits", "wallet"),
    Page("Grant draws", "credits", "grantdraw"),
    Page("Changes of status", "credits", "statuschange"),
    Page("Counters", "credits", "usagecounter"),
    Page("Rollups", "usage", "usagerollup"),
    Page("Rollup marks", "usage", "rollupmark"),
    Page("Idempotency keys", "organizations", "idempotencykey"),
    Page("Intervals", "django_celery_beat", "intervalschedule"),
    Page("Crontabs", "django_celery_beat", "crontabschedule"),
)
"""Tables as they are, for who looks for the reason of something."""


@cache
def _path(route: str) -> str:
    """Each page of the admin asks for all of them, some more than once."""
    return reverse(route)
