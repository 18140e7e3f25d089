"""The tabs on the page of an organization: what each shows, to whom. A tab loads its own rows only, and a panel of it only for those who may see these.

Rows are read by indexes and a page of them at a time, so a tab costs as much for a large organization as for a small one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import F, Sum
from django.http import HttpRequest

from credits.admin.grants import STATE_TONES
from credits.admin.ledger import told as told_entries
from credits.admin.ledger import with_reversals
from credits.models import Grant, PendingGrant, Reservation
from credits.periods import month_of
from credits.services import Reading
from credits.services.grants import state_of, with_states
from organizations.admin import key_state
from organizations.models import Organization
from organizations.services import keys_of
from usage.admin import month
from usage.admin.alert_words import VIEW_ALERT, VIEW_WARNING, open_on
from usage.admin.edit_action import Edit
from usage.admin.events import told as told_events
from usage.admin.happened import happened
from usage.admin.trend import balance_over_time
from usage.admin.usage_chart import usage_of
from usage.models import Denial, UsageEvent
from usage.services import controls, warnings
from usage.services.history import BY
from usage.services.sandbox import sandbox_in_use

FEW = 6
SOME = 12
MANY = 20
TERMS = 13
"""How many statements are offered: those of a year and the running one."""


class Seen(NamedTuple):
    """An organization as somebody looks at it."""

    organization: Organization
    reading: Reading
    now: datetime
    user: AbstractBaseUser | AnonymousUser
    asked: Mapping[str, str]
    """What the address says besides the tab."""


class Panel(NamedTuple):
    """A part of a tab: the right that shows its rows, and how they are read."""

    name: str
    right: str
    load: Callable[[Seen], Any]


class Tab(NamedTuple):
    """A tab, which is there for whoever may see one of its panels."""

    slug: str
    title: str
    panels: Sequence[Panel]
    fits: Callable[[Organization], bool]

    @property
    def template(self) -> str:
        return f"admin/organizations/organization/tabs/{self.slug}.html"

    def is_for(self, request: HttpRequest, organization: Organization) -> bool:
        may = any(request.user.has_perm(panel.right) for panel in self.panels)
        return may and self.fits(organization)

    def shown(self, request: HttpRequest, seen: Seen) -> dict[str, Any]:
        """Return the panels that whoever asks may see, by their names."""
        return {
            panel.name: panel.load(seen)
            for panel in self.panels
            if request.user.has_perm(panel.right)
        }


def _entries(count: int) -> Callable[[Seen], Any]:
    def load(seen: Seen) -> Any:
        newest = seen.reading.wallet.entries.order_by("-number")
        return told_entries(with_reversals(newest)[:count])

    return load


def _grants(seen: Seen) -> Any:
    """Return what is to come next, the live grants, in the order in which work draws on them, and then the last of the others."""
    grants = with_states(seen.reading.wallet.grants.all())
    pending = seen.reading.wallet.pending_grants.filter(begun_at=None, cancelled_at=None)
    coming = pending.filter(effective_at__gt=seen.now).order_by("effective_at")
    live = grants.filter(live=True).exclude(expires_at__lte=seen.now)
    first = list(live.order_by("priority", "expires_at", "created_at", "id")[:SOME])
    others = grants.exclude(pk__in=[each.pk for each in first]).order_by("-id")
    shown: list[Grant | PendingGrant] = [*coming[:FEW], *first, *others[: SOME - len(first)]]
    states = [state_of(each, now=seen.now) for each in shown]
    return [(each, state, STATE_TONES[state]) for each, state in zip(shown, states, strict=True)]


def _over_time(seen: Seen) -> Any:
    return balance_over_time(seen.reading.wallet, now=seen.now)


def _holds(seen: Seen) -> Any:
    is_open = {"status": Reservation.Status.OPEN, "expires_at__gt": seen.now}
    held = seen.reading.wallet.reservations.filter(**is_open).select_related("actor")
    return held.order_by("expires_at")[:FEW]


def _statements(seen: Seen) -> Any:
    return seen.reading.wallet.periods.order_by("-index")[:TERMS]


def _top_actors(seen: Seen) -> Any:
    return month.top_actors(seen.organization, month_of(seen.now))


def _entity_groups(seen: Seen) -> Any:
    return month.entity_groups(seen.organization, month_of(seen.now))


def _budgets(seen: Seen) -> Any:
    return month.budgets(seen.organization, month_of(seen.now))


def _teams(seen: Seen) -> Any:
    return month.teams(seen.organization)


def _events(seen: Seen) -> Any:
    events = UsageEvent.objects.filter(organization=seen.organization)
    newest = events.order_by(*(f"-{name}" for name in BY)).select_related("actor")
    return told_events(newest[:FEW])


def _usage(seen: Seen) -> Any:
    by, span = seen.asked.get("by", ""), seen.asked.get("days", "")
    return usage_of(seen.organization, by=by, span=span, now=seen.now)


def _denials(count: int) -> Callable[[Seen], Any]:
    def load(seen: Seen) -> Any:
        rows = Denial.objects.filter(organization=seen.organization)
        return rows.select_related("actor").order_by("-id")[:count]

    return load


def _reasons(seen: Seen) -> Any:
    rows = Denial.objects.filter(organization=seen.organization).values("reason")
    counted = rows.annotate(times=Sum("times")).order_by("-times", "reason")
    return [{"reason": row["reason"], "times": row["times"]} for row in counted]


def _keys(seen: Seen) -> Any:
    rows = keys_of(seen.organization).select_related("actor")
    newest = rows.order_by(F("revoked_at").desc(nulls_first=True), "-id")
    return [(key, key_state(key)) for key in newest[:MANY]]


def _children(seen: Seen) -> Any:
    rows = seen.organization.children.select_related("wallet__period", "wallet__config")
    return rows.order_by("name", "id")[:MANY]


def _controls(seen: Seen) -> Any:
    return controls.controls_of(seen.organization, now=seen.now)


def _alerts(seen: Seen) -> Any:
    return open_on(seen.organization, now=seen.now)


def _warnings(seen: Seen) -> Any:
    return warnings.standings_of(seen.organization, now=seen.now)


def _edit(seen: Seen) -> Any:
    """Return the form that the button Edit asks, filled in: it is sent there, and its effect is shown before anything is written."""
    initial = {"once": uuid4()}
    return Edit.form(initial=initial, organization=seen.organization, user=seen.user)


def _terms(seen: Seen) -> Any:
    return seen.reading.wallet.config


def _happened(seen: Seen) -> Any:
    return happened(
        seen.organization,
        seen.reading.wallet,
        may=seen.user.has_perm,  # type: ignore[union-attr]
        only=seen.asked.get("only", ""),
        before=seen.asked.get("before", ""),
    )


def _is_root(organization: Organization) -> bool:
    return organization.parent_id is None


def _always(organization: Organization) -> bool:
    return True


_LOOK = "organizations.view_organization"
TABS: Sequence[Tab] = (
    Tab(
        "overview",
        "Overview",
        (
            Panel("alerts", VIEW_ALERT, _alerts),
            Panel("sandbox", _LOOK, lambda seen: sandbox_in_use(seen.organization)),
            Panel("controls", "usage.view_thresholds", _controls),
            Panel("entries", "credits.view_ledgerentry", _entries(FEW)),
            Panel("top_actors", "organizations.view_actor", _top_actors),
            Panel("denials", "usage.view_denial", _denials(FEW)),
        ),
        _always,
    ),
    Tab(
        "money",
        "Money",
        (
            Panel("holds", "credits.view_reservation", _holds),
            Panel("grants", "credits.view_grant", _grants),
            Panel("statements", "credits.view_billingperiod", _statements),
            Panel("entries", "credits.view_ledgerentry", _entries(SOME)),
            Panel("money", "credits.view_wallet", lambda seen: seen.reading.wallet),
            Panel("over_time", "credits.view_wallet", _over_time),
        ),
        _always,
    ),
    Tab(
        "people",
        "People & budgets",
        (
            Panel("top_actors", "organizations.view_actor", _top_actors),
            Panel("entity_groups", "organizations.view_group", _entity_groups),
            Panel("teams", "organizations.view_group", _teams),
            Panel("budgets", "usage.view_limit", _budgets),
            Panel("warnings", VIEW_WARNING, _warnings),
        ),
        _always,
    ),
    Tab(
        "usage",
        "Usage",
        (
            Panel("usage", "usage.view_usageevent", _usage),
            Panel("events", "usage.view_usageevent", _events),
        ),
        _always,
    ),
    Tab(
        "refusals",
        "Refusals",
        (
            Panel("reasons", "usage.view_denial", _reasons),
            Panel("denials", "usage.view_denial", _denials(MANY)),
        ),
        _always,
    ),
    Tab("keys", "Keys", (Panel("keys", "organizations.view_apikey", _keys),), _always),
    Tab("children", "Children", (Panel("children", _LOOK, _children),), _is_root),
    Tab(
        "settings",
        "Settings",
        (
            Panel("edit", "organizations.change_organization", _edit),
            Panel("terms", "credits.view_creditconfig", _terms),
            Panel("controls", "usage.view_thresholds", _controls),
        ),
        _always,
    ),
    Tab("history", "History", (Panel("happened", _LOOK, _happened),), _always),
)


def tabs_for(request: HttpRequest, organization: Organization) -> list[Tab]:
    """Return the tabs that whoever asks may open, the overview first."""
    return [tab for tab in TABS if tab.is_for(request, organization)]
