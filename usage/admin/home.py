"""The first page of the admin: is all well, and who needs me? Each panel is for those who may see its rows; all of it is read by index.

What would have to be asked of every organization was measured by the worker (`usage.services.stock`), and says when. Sandboxes are not in it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from credits.admin.ledger import told
from credits.admin.month_end import months_until
from credits.models import Grant, LedgerEntry
from organizations import clock
from organizations.models import ApiKey, Env, Failure, Organization
from usage.admin.attention import attention, movers
from usage.admin.burn import burn
from usage.admin.most import asked_for, rows_of
from usage.admin.waiting import to_decide
from usage.admin.wellbeing import wellbeing
from usage.models import Stock, UsageEvent

MOVEMENTS = 8
ROWS = 5
MOST = 100
"""Up to how many failures are looked at."""


class Step(NamedTuple):
    """Something that a new installation needs, in its order."""

    title: str
    about: str
    url: str
    is_done: bool


def index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the context of the first page what its template shows to whoever asks."""
    may, now = request.user.has_perm, clock.now()
    found: dict[str, Any] = {"last_month": months_until(now.date())[1]}
    if may("organizations.view_job"):
        found["wellbeing"] = wellbeing(now=now)
    approvals = to_decide(request.user, now=now)
    found["approvals"], found["approval_count"] = approvals[:ROWS], len(approvals)
    found["left_to_staff"], found["left_count"] = _left_to_staff(request)
    found["waits"] = found["approval_count"] + found["left_count"]
    if may("credits.view_wallet"):
        found["stock"] = Stock.objects.first()
    if may("usage.view_monthlyuse"):
        found["most_used"] = rows_of(asked_for({}, today=now.date()), count=ROWS)
    if may("usage.view_usageevent"):
        found |= {"may_see_use": True, "burn": burn(now=now), "movers": movers()}
    found["concerns"], found["nobody"] = attention(request, now=now)
    if may("credits.view_ledgerentry"):
        found["entries"] = _entries()
        found["steps"] = _steps(found["entries"])
    return context | found


def _left_to_staff(request: HttpRequest) -> tuple[list[Failure], int]:
    """Return the work that failed too often to be tried again, for staff who may say that it is."""
    if not request.user.has_perm("organizations.change_failure"):
        return [], 0
    left = Failure.objects.filter(resolved_at=None, next_try_at=None)
    rows = left.exclude(organization__env=Env.TEST).select_related("organization").order_by("id")
    found = list(rows[:MOST])
    return found[:ROWS], len(found)


def _entries() -> Any:
    rows = LedgerEntry.objects.filter(wallet__organization__env=Env.LIVE)
    return told(rows.select_related("wallet__organization").order_by("-id")[:MOVEMENTS])


def _steps(entries: Sequence[Any]) -> list[Step]:
    """Return what is to be done first, as long as no work was done yet."""
    if len(entries) == MOVEMENTS or UsageEvent.objects.exists():
        return []
    organizations = reverse("admin:organizations_organization_changelist")
    return [
        Step(
            "Make an organization",
            "A customer who buys credits, with a wallet of its own.",
            reverse("admin:organizations_organization_add"),
            Organization.objects.exists(),
        ),
        Step(
            "Grant it credits",
            "On its page, with the button Grant.",
            organizations,
            Grant.objects.exists(),
        ),
        Step(
            "Mint an API key",
            "On its page, under Keys. The secret is shown once.",
            organizations,
            ApiKey.objects.exists(),
        ),
        Step(
            "Reserve and settle",
            "With that key: the API's documents have a request to copy.",
            "/api/docs/",
            False,
        ),
    ]
