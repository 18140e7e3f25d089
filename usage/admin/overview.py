"""What stands at the head of an organization's page: its figures as they are at this moment, and the buttons that change them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from credits.models import ZERO, BillingPeriod, CreditConfig
from credits.services import Reading
from organizations.admin.actions import Action, may_use
from organizations.models import Organization
from usage.admin.pace import pace_of, refused
from usage.admin.trend import trend

DAY = timedelta(days=1)
FIRST = ("resume", "grant", "recharge", "allocate", "set-cap", "adjust", "edit", "mint-key")
"""The buttons that are most asked for, in this order: the first four that one may use are seen, the rest is behind "…"."""
SEEN = 4
IN_THE_HEAD = frozenset({"set-cap"})
"""Buttons of other places that the head has too, unless the organization is archived."""


class Button(NamedTuple):
    """A button of the head."""

    action: Action
    url: str


class Buttons(NamedTuple):
    """The buttons of the head: those that are seen, and those behind "…", the dangerous ones apart."""

    seen: Sequence[Button]
    more: Sequence[Button]
    dangerous: Sequence[Button]

    @property
    def all(self) -> list[Button]:
        return [*self.seen, *self.more, *self.dangerous]


def strip(
    request: HttpRequest, organization: Organization, reading: Reading, *, now: datetime
) -> dict[str, Any]:
    """Return the figures of the head, in a number of queries that does not grow with the organization."""
    may_see_refusals = request.user.has_perm("usage.view_denial")
    return {
        "wallet": reading.wallet,
        "period": reading.period,
        "included": reading.included,
        "cap": cap_bar(reading.wallet.config, reading.period),
        "resets": in_days(reading.period.ends_at, now),
        "pace": pace_of(organization, now=now),
        "trend": trend(reading.wallet, now=now),
        "refused": refused(organization, now=now) if may_see_refusals else None,
    }


def buttons(request: HttpRequest, organization: Organization, actions: Sequence[Action]) -> Buttons:
    """Return the buttons that fit an organization and that whoever asks may use."""
    usable = [
        Button(action, action_url(action, organization))
        for action in actions
        if _fits(action, organization) and may_use(request, action)
    ]
    safe = [button for button in usable if not button.action.dangerous]
    ranked = [button for slug in FIRST for button in safe if button.action.slug == slug]
    seen = ranked[:SEEN]
    return Buttons(
        seen=seen,
        more=[button for button in safe if button not in seen],
        dangerous=[button for button in usable if button.action.dangerous],
    )


def _fits(action: Action, organization: Organization) -> bool:
    is_open = organization.status != Organization.Status.ARCHIVED
    return action.fits(organization) or (action.slug in IN_THE_HEAD and is_open)


def action_url(action: Action, organization: Organization) -> str:
    """Return where a button of an organization leads."""
    return reverse(f"admin:organizations_organization_{action.slug}", args=[organization.id])


def in_days(at: datetime, now: datetime) -> str:
    """Return how far a moment is away, in whole days as people count them: today, tomorrow, in 4 days."""
    days = (at.date() - now.date()) // DAY
    if days <= 0:
        return "today"
    return "tomorrow" if days == 1 else f"in {days} days"


def cap_bar(config: CreditConfig, period: BillingPeriod) -> dict[str, Any]:
    """Return how far a cap is used: the parts of a bar, in credits, and how it should look."""
    cap = config.monthly_cap
    taken = period.used + period.reserved
    left = None if cap is None else max(ZERO, cap - taken)
    tone = "good"
    if cap is not None and taken * 100 >= cap * 80:
        tone = "bad" if taken >= cap else "warn"
    return {
        "cap": cap,
        "used": period.used,
        "reserved": period.reserved,
        "left": left,
        "tone": tone,
    }
