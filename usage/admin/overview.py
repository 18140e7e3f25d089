"""What the page of an organization shows: its money as it is at this moment, and what led to it."""

from datetime import datetime
from typing import Any

from django.db.models import F

from credits import services
from credits.admin.ledger import told
from credits.models import ZERO, BillingPeriod, CreditConfig, Reservation
from organizations.admin import key_state
from organizations.models import Organization
from organizations.services import keys_of
from usage.admin.pace import pace_of, refused
from usage.services.sandbox import sandbox_in_use

ENTRIES = 20
ROWS = 50
"""How many grants, holds, keys and children one page shows; the rest is in their own lists."""


def overview(organization: Organization, *, now: datetime) -> dict[str, Any]:
    """Return everything the page shows, in a number of queries that does not grow with the organization."""
    reading = services.wallet_as_of(organization, now=now)
    wallet, period = reading.wallet, reading.period
    grants = wallet.grants.filter(live=True).exclude(expires_at__lte=now)
    holds = wallet.reservations.filter(status=Reservation.Status.OPEN, expires_at__gt=now)
    entries = wallet.entries.order_by("-number")
    children = organization.children.select_related("wallet__period", "wallet__config")
    keys = (
        keys_of(organization)
        .select_related("actor")
        .order_by(F("revoked_at").desc(nulls_first=True), "-id")
    )
    return {
        "pace": pace_of(organization, reading, now=now),
        "refused": refused(organization, now=now),
        "wallet": wallet,
        "period": period,
        "included": reading.included,
        "cap": cap_bar(wallet.config, period),
        "grants": grants.order_by("priority", "expires_at", "created_at", "id")[:ROWS],
        "holds": holds.order_by("expires_at")[:ROWS],
        "entries": told(entries[:ENTRIES]),
        "sandbox": sandbox_in_use(organization),
        "children": children.order_by("name")[:ROWS],
        "keys": [(key, key_state(key)) for key in keys[:ROWS]],
        "now": now,
    }


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
